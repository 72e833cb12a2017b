"""Who is at the other end of a connection (DESIGN, "Who may say and do what")."""

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Iterable

from infra.broker.errors import RefusedError
from infra.broker.principal import ANONYMOUS, Principal
from infra.hosts import configuration
from infra.hosts.asgi import Scope
from infra.hosts.unix_sockets import PEER

# A request with one of these came through a proxy: who is at the other end of the connection did not write it.
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


class Senders:
    """Finds the principal of a request: Unix peer credentials, a bearer token, or nobody on the loopback."""

    def __init__(self, principals: Iterable[configuration.Principal] = ()) -> None:
        self._tokens = [(principal.token_sha256, principal.name) for principal in principals]

    def __call__(self, scope: Scope) -> Principal:
        """Raises RefusedError: 403 for another user of the machine, 401 for a wrong or missing token."""
        if uid := peer_uid(scope):
            return self._operator(uid)
        token = _bearer(scope)
        if token is not None:
            return self._named(token)
        if _loopback(scope):
            return ANONYMOUS
        raise RefusedError(401, "from another machine, events need a bearer token (lockstep.yaml, principals)")

    def _operator(self, uid: str) -> Principal:
        if uid not in {str(os.geteuid()), "0"}:
            raise RefusedError(403, f"user {uid} does not run this Lockstep; ask the one who does")
        return Principal("operator", uid)

    def _named(self, token: bytes) -> Principal:
        digest = hashlib.sha256(token).hexdigest()
        found = [name for known, name in self._tokens if hmac.compare_digest(known, digest)]
        if not found:
            raise RefusedError(401, "the bearer token is not one of lockstep.yaml's principals")
        return Principal("token", found[0])


def peer_uid(scope: Scope) -> str:
    """The user at the other end of a Unix socket; "" for a connection that came over the network."""
    host = str((scope.get("client") or ("",))[0])
    return host.removeprefix(PEER) if host.startswith(PEER) else ""


def _bearer(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            kind, _, token = value.partition(b" ")
            token = token.strip()
            if kind.lower() != b"bearer" or not token:
                raise RefusedError(401, "only bearer tokens are understood")
            return bytes(token)
    return None


def _loopback(scope: Scope) -> bool:
    if any(name.lower() in _PROXIED for name, _ in scope["headers"]):
        return False
    host = str((scope.get("client") or ("",))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # how a socket for both families names an IPv4 peer
    return bool((mapped or address).is_loopback)
