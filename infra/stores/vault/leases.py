"""`Leases` over `sys/leases`: looked up, renewed and revoked by id, none of which needs `sudo`.

The ids of renewals and revocations stand in the path, so that a policy can bind them to the roles whose leases they
are; a look-up takes its id in the body only, and tells times.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions._failures import Reject, Unavailable
from functions._leases import Lease
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import DEPENDENCY

_GONE = ("invalid lease", "lease not found")
# What the lease itself is the reason of. All else that a renewal is refused with is the database's: it may be down.
_OVER = (*_GONE, "lease expired", "lease is expired", "lease is not renewable", "past the max TTL")


class VaultLeases:
    """Leases in one step's identity."""

    def __init__(self, client: VaultClient) -> None:
        self._client = client

    def read(self, lease_id: str) -> Lease | None:
        body = {"lease_id": lease_id}
        answer = self._client.call("POST", "sys/leases/lookup", body=body, kind="lease", refused_ok=True)
        if answer.status == 400:
            _expect_gone(answer.errors, "looked up")
            return None
        return _lease(lease_id, answer.body.get("data"))

    def renew(self, lease_id: str) -> float:
        answer = self._client.call("POST", f"sys/leases/renew/{lease_id}", body={}, kind="lease", refused_ok=True)
        if answer.status == 400 and not _says(answer.errors, _OVER):
            raise Unavailable(
                DEPENDENCY, f"the authority could not renew a lease of {_role(lease_id)}; its log says why"
            )
        duration = answer.body.get("lease_duration")
        return float(duration) if answer.status == 200 and isinstance(duration, int) else 0.0

    def revoke(self, lease_id: str) -> None:
        where, body = f"sys/leases/revoke/{lease_id}", {"sync": True}
        answer = self._client.call("POST", where, body=body, kind="lease", refused_ok=True)
        if answer.status == 400 and not _says(answer.errors, _GONE):
            # What the database said is the authority's to tell: it may quote statements.
            raise Unavailable(DEPENDENCY, _failed(lease_id))


def _role(lease_id: str) -> str:
    return lease_id.rpartition("/")[0]


def _failed(lease_id: str) -> str:
    return (
        f"the authority could not revoke a lease of {_role(lease_id)}; its log says why: often the account owns "
        "objects, and the role's revocation_statements have to reassign or drop them first"
    )


def _says(errors: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return any(word in error for error in errors for word in words)


def _expect_gone(errors: tuple[str, ...], what: str) -> None:
    if not _says(errors, _GONE):
        raise Reject(f"a lease cannot be {what}: {'; '.join(errors) or 'the authority gives no reason'}")


def _lease(lease_id: str, data: object) -> Lease:
    if not isinstance(data, Mapping):
        raise Reject("the authority's answer about a lease is not that of sys/leases/lookup; is it a Vault or OpenBao?")
    issued, renewed = _time(data, "issue_time"), data.get("last_renewal")
    return Lease(
        id=lease_id,
        issued=issued,
        expires=_time(data, "expire_time") if data.get("expire_time") is not None else issued,  # an irrevocable one
        ttl=float(data.get("ttl") or 0),
        renewable=data.get("renewable") is True,
        last_renewal=_time(data, "last_renewal") if renewed is not None else None,
    )


def _time(data: Mapping[str, Any], key: str) -> datetime:
    """RFC 3339 with up to nanoseconds, of which a datetime keeps microseconds."""
    try:
        return datetime.fromisoformat(str(data.get(key)))
    except ValueError:
        raise Reject(f"the authority tells no time as {key} of a lease") from None
