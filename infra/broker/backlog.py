"""Events that are not through all their Triggers: how many, whose, and how old the oldest is."""

from dataclasses import dataclass
from threading import Lock

from infra.broker.limits import Accounts

MEMORY = 16 * 1024 * 1024  # bytes of pending events that are kept; others are read again when their turn comes


@dataclass(slots=True)
class _Open:
    deliveries: int
    principal: str
    accepted: int
    kept: int


class Backlog:
    """Kept in memory; rebuilt from the database at a restart. Thread-safe."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._open: dict[int, _Open] = {}  # in the order of acceptance
        self._lock = Lock()
        self._kept = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, sequence: int, deliveries: int, principal: str, accepted: int) -> bool:
        """Deliveries of an event begin. False if the event was in the backlog already."""
        with self._lock:
            known = self._open.get(sequence)
            if known is not None:
                known.deliveries += deliveries
                return False
            self._open[sequence] = _Open(deliveries, principal, accepted, 0)
            return True

    def keep(self, sequence: int, size: int) -> bool:
        """Whether there is room to keep `size` bytes of this event in memory until it is through."""
        with self._lock:
            if self._kept + size > MEMORY:
                return False
            self._kept += size
            self._open[sequence].kept += size
            return True

    def over(self, sequence: int) -> None:
        """One delivery of this event ended."""
        with self._lock:
            event = self._open[sequence]
            event.deliveries -= 1
            if event.deliveries:
                return
            del self._open[sequence]
            self._kept -= event.kept
        self._accounts.release(event.principal)

    def oldest(self) -> int | None:
        """When the oldest event in the backlog was accepted, in microseconds since the epoch."""
        with self._lock:
            first = next(iter(self._open.values()), None)
        return first.accepted if first is not None else None
