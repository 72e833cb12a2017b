"""Leases: how long the authority lets a dynamic credential live, and which of them rotations hold.

A lease is found by its id alone, which is in the rotation's record: listing leases would take far greater rights.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from functions._rotations import Holder, Record

_ID = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*){2,}")
_LEFT = 1 / 3  # of what was granted: when it is time
_JITTER = 0.1  # of what was granted, earlier: so that leases of one hour are not all renewed at once


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease as the authority tells of it; `ttl` is what was left when it was asked, in seconds."""

    id: str
    issued: datetime
    expires: datetime
    ttl: float
    renewable: bool
    last_renewal: datetime | None = None

    @property
    def granted(self) -> timedelta:
        """How long it was to last when it was issued, or renewed for the last time."""
        return self.expires - (self.last_renewal or self.issued)

    @property
    def due(self) -> datetime:
        """When it is to be renewed: a third of it is left, or up to a tenth more, the same at every look."""
        digest = hashlib.sha256(self.id.encode()).digest()
        jitter = _JITTER * int.from_bytes(digest[:8], "big") / 2**64
        return self.expires - self.granted * (_LEFT + jitter)


class Leases(Protocol):
    """Leases at the authority (LEASE_READ, LEASE_RENEW, LEASE_REVOKE)."""

    def read(self, lease_id: str) -> Lease | None:
        """The lease, also one whose time is over and that could not be revoked; None where there is none."""

    def renew(self, lease_id: str) -> float:
        """Prolong it by what its role gives; the seconds that it now lasts, which may be fewer than before.

        0.0 where it cannot be renewed, or is gone. Raises Unavailable where it can, and that failed.
        """

    def revoke(self, lease_id: str) -> None:
        """End it and its credential now. Gone already: nothing to do. Raises Unavailable where that failed."""


def is_lease(holder_id: str) -> bool:
    """Whether this id of a credential is a lease's."""
    return _ID.fullmatch(holder_id) is not None


def held_leases(record: Record) -> Iterator[Holder]:
    """The credentials of a rotation that are leases and that somebody may have: what is settled holds but one."""
    if record.phase == "completed":
        holders: tuple[Holder | None, ...] = (record.new,)
    elif record.phase in ("failed", "aborted"):
        holders = (record.old,)  # what was new was taken back
    else:
        holders = (record.old, record.new)
    yield from (holder for holder in holders if holder is not None and _ID.fullmatch(holder.id))


def current_lease(record: Record) -> str:
    """The id of the lease that consumers are to have now; "" where the rotation holds none."""
    current = record.new if record.phase in ("promoted", "completed") else record.old
    return current.id if current is not None and _ID.fullmatch(current.id) else ""
