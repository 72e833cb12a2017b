"""Leases in memory, with roles that say how long they last."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from functions._failures import Unavailable
from functions._leases import Lease
from tests.fakes.authority import Instrumented


@dataclass
class _Issued:
    lease: Lease
    default: timedelta
    longest: timedelta
    stuck: bool = False


class FakeLeases(Instrumented):
    """`Leases` over a dictionary. Time comes from `now`; a lease whose time is over is gone, but for a stuck one."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self.down = False  # whether the database is: nothing can be renewed
        self._issued: dict[str, _Issued] = {}
        self._numbers = itertools.count(1)

    # --- the port ---

    def read(self, lease_id: str) -> Lease | None:
        with self._operation("read", lease_id):
            found = self._living(lease_id)
            if found is None:
                return None
            return replace(found.lease, ttl=(found.lease.expires - self._now()).total_seconds())

    def renew(self, lease_id: str) -> float:
        with self._operation("renew", lease_id):
            found, now = self._living(lease_id), self._now()
            if found is None or not found.lease.renewable or found.lease.expires <= now:
                return 0.0
            if self.down:
                raise Unavailable("authority", "the authority could not renew a lease")
            expires = min(now + found.default, found.lease.issued + found.longest)
            found.lease = replace(found.lease, expires=expires, last_renewal=now)
            return (expires - now).total_seconds()

    def revoke(self, lease_id: str) -> None:
        with self._operation("revoke", lease_id):
            found = self._living(lease_id)
            if found is not None and found.stuck:
                raise Unavailable("authority", "the authority could not revoke a lease")
            self._issued.pop(lease_id, None)

    # --- what a test does ---

    def issue(self, role: str, ttl: float, longest: float, *, renewable: bool = True) -> str:
        """A new lease of a role, in seconds; its id."""
        now = self._now()
        lease_id = f"database/creds/{role}/{next(self._numbers):024d}"
        lease = Lease(lease_id, now, now + timedelta(seconds=ttl), ttl, renewable)
        self._issued[lease_id] = _Issued(lease, timedelta(seconds=ttl), timedelta(seconds=longest))
        return lease_id

    def stick(self, lease_id: str) -> None:
        """From now on nobody can revoke it: its account owns something."""
        self._issued[lease_id].stuck = True

    def known(self, lease_id: str) -> Lease | None:
        """The lease, for assertions: unlogged, never refused."""
        found = self._living(lease_id)
        return found.lease if found else None

    def _living(self, lease_id: str) -> _Issued | None:
        found = self._issued.get(lease_id)
        if found is not None and found.lease.expires <= self._now() and not found.stuck:
            del self._issued[lease_id]
            return None
        return found
