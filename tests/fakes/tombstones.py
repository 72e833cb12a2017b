"""Noticed absences in memory."""

from dataclasses import replace

from functions._failures import Conflict
from functions._ports import Tombstone
from tests.fakes.authority import Instrumented


class FakeTombstones(Instrumented):
    """`Tombstones` over a dictionary."""

    def __init__(self, *tombstones: Tombstone) -> None:
        super().__init__()
        self._tombstones: dict[str, Tombstone] = {}
        for tombstone in tombstones:
            self.seed(tombstone)

    def list(self) -> tuple[Tombstone, ...]:
        with self._operation("list", ""):
            return tuple(self._tombstones[key] for key in sorted(self._tombstones))

    def read(self, tombstone_id: str) -> Tombstone | None:
        with self._operation("read", tombstone_id):
            return self._tombstones.get(tombstone_id)

    def create(self, tombstone: Tombstone) -> None:
        with self._operation("create", tombstone.id):
            known = self._tombstones.get(tombstone.id)
            if known is None or known.change != tombstone.change:
                self._tombstones[tombstone.id] = replace(tombstone, revision=known.revision + 1 if known else 1)

    def remove(self, tombstone: Tombstone) -> None:
        with self._operation("remove", tombstone.id):
            known = self._tombstones.get(tombstone.id)
            if known is None:
                return
            if known.revision != tombstone.revision:
                raise Conflict(f"the tombstone {tombstone.id} changed since it was read; read it again")
            del self._tombstones[tombstone.id]

    def seed(self, tombstone: Tombstone) -> Tombstone:
        """Set a tombstone as another writer would: unlogged, never refused."""
        with self._lock:
            known = self._tombstones.get(tombstone.id)
            stored = replace(tombstone, revision=known.revision + 1 if known else 1)
            self._tombstones[tombstone.id] = stored
            return stored
