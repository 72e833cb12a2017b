"""Who reports a leak over HTTP: the three ways in which Alertmanager shows who it is (reference/events.md 6)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from infra.broker.errors import RefusedError
from infra.broker.principal import Principal
from infra.hosts.asgi import Scope
from infra.hosts.configuration import Reporter

_REFUSED = "reports of leaks need a bearer token, a user name and password, or a client certificate of lockstep.yaml"


class Reporters:
    """Finds the reporter of a request. Nobody reports without credentials, on the loopback neither."""

    def __init__(self, reporters: Iterable[Reporter] = ()) -> None:
        self._reporters = tuple(reporters)

    def __call__(self, scope: Scope) -> Principal:
        """Raises RefusedError 401; it says the same of whatever is wrong."""
        kind, _, shown = _authorization(scope).partition(b" ")
        certificate = str(scope.get("extensions", {}).get("lockstep.certificate", ""))
        found = [
            one.name for one in self._reporters if _is(one, kind.lower(), shown.strip(), certificate)
        ]  # all are compared, however early one fits
        if not found:
            raise RefusedError(401, _REFUSED)
        return Principal("reporter", found[0])


def _is(reporter: Reporter, kind: bytes, shown: bytes, certificate: str) -> bool:
    if reporter.certificate_sha256 is not None:
        return hmac.compare_digest(reporter.certificate_sha256, certificate)
    if reporter.token_sha256 is not None:
        return kind == b"bearer" and bool(shown) and _fits(reporter.token_sha256, shown)
    user, password = _basic(shown) if kind == b"basic" else (b"", b"")
    named = hmac.compare_digest((reporter.username or "").encode(), user)
    return _fits(reporter.password_sha256 or "", password) and named


def _fits(digest: str, shown: bytes) -> bool:
    return hmac.compare_digest(digest, hashlib.sha256(shown).hexdigest())


def _basic(shown: bytes) -> tuple[bytes, bytes]:
    try:
        user, _, password = base64.b64decode(shown, validate=True).partition(b":")
    except binascii.Error:
        return b"", b""
    return user, password


def _authorization(scope: Scope) -> bytes:
    found = [bytes(value) for name, value in scope["headers"] if name.lower() == b"authorization"]
    return found[0] if len(found) == 1 else b""
