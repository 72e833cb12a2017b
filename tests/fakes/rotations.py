"""Records of rotations, what is staged and what is proven, in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from events.references import PathRef, Version
from functions._failures import Conflict
from functions._rotations import Proof, Record, Staged
from tests.fakes.authority import Instrumented


class FakeRotations(Instrumented):
    """`Rotations` over a dictionary. `history` is every record that was ever written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[PathRef, Record] = {}
        self.history: list[Record] = []

    def paths(self) -> tuple[PathRef, ...]:
        with self._operation("paths", ""):
            return tuple(sorted(self._records, key=str))

    def read(self, path: PathRef) -> Record | None:
        with self._operation("read", str(path)):
            return self._records.get(path)

    def write(self, record: Record) -> Record:
        with self._operation("write", str(record.path)):
            known = self._records.get(record.path)
            if (known.revision if known else 0) != record.revision:
                raise Conflict(f"the rotation record of {record.path} changed since it was read")
            stored = replace(record, revision=record.revision + 1)
            self._records[record.path] = stored
            self.history.append(stored)
            return stored

    def known(self, path: PathRef) -> Record | None:
        """The record, for assertions: unlogged, never refused."""
        with self._lock:
            return self._records.get(path)


class FakePending(Instrumented):
    """`Pending` over a dictionary; a document that was removed begins anew, as one of KV v2 does."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)
        self._staged: dict[PathRef, Staged] = {}
        self.history: list[Staged] = []  # all that was ever staged

    def read(self, path: PathRef) -> Staged | None:
        with self._operation("read", str(path)):
            return self._staged.get(path)

    def create(self, staged: Staged) -> Staged:
        with self._operation("create", str(staged.path)):
            if staged.path in self._staged:
                raise Conflict(f"something is staged for {staged.path} already; read it")
            self._last = max(self._clock(), self._last + timedelta(microseconds=1))
            stored = replace(staged, version=Version(number=1, created=self._last))
            self._staged[staged.path] = stored
            self.history.append(stored)
            return stored

    def remove(self, staged: Staged) -> None:
        with self._operation("remove", str(staged.path)):
            known = self._staged.get(staged.path)
            if known is None:
                return
            if known.version != staged.version:
                raise Conflict(f"what is staged for {staged.path} changed since it was read; read it again")
            del self._staged[staged.path]

    def known(self, path: PathRef) -> Staged | None:
        """What is staged, for assertions: unlogged, never refused."""
        with self._lock:
            return self._staged.get(path)

    def lose(self, path: PathRef) -> None:
        """Somebody deletes what is staged."""
        with self._lock:
            self._staged.pop(path, None)


class FakeProofs(Instrumented):
    """`Proofs` over a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._proofs: dict[PathRef, Proof] = {}

    def read(self, path: PathRef) -> Proof | None:
        with self._operation("read", str(path)):
            return self._proofs.get(path)

    def write(self, proof: Proof) -> None:
        with self._operation("write", str(proof.path)):
            self._proofs[proof.path] = proof
