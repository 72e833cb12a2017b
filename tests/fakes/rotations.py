"""Records of rotations, what is staged and what is proven, in memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from events.references import PathRef, Version
from functions._failures import Conflict
from functions._rotations import Proof, Record, Staged
from tests.fakes.authority import Instrumented, asked


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

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Record | None]]:
        return asked(lambda: self.read(path))

    def write(self, record: Record) -> Record:
        with self._operation("write", str(record.path)):
            known = self._records.get(record.path)
            if (known.revision if known else 0) != record.revision:
                raise Conflict(f"the rotation record of {record.path} changed since it was read")
            stored = replace(record, revision=record.revision + 1)
            self._records[record.path] = stored
            self.history.append(stored)
            return stored

    def turn(self, path: PathRef) -> AbstractContextManager[None]:
        """Never waits: what several processes do at once is seen here."""
        return nullcontext()

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
        self._early = False
        self.history: list[Staged] = []  # all that was ever staged

    def read(self, path: PathRef) -> Staged | None:
        with self._operation("read", str(path)):
            return self._staged.get(path)

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Staged | None]]:
        return asked(lambda: self.read(path))

    @contextmanager
    def creating(self, staged: Staged) -> Iterator[Callable[[], Staged]]:
        """Early or late by turns, as of `FakeProofs.writing`."""
        self._early = not self._early
        if not self._early:
            yield lambda: self.create(staged)
            return
        with asked(lambda: self.create(staged)) as created:
            yield created

    def create(self, staged: Staged) -> Staged:
        with self._operation("create", str(staged.path)):
            if staged.path in self._staged:
                raise Conflict(f"something is staged for {staged.path} already; read it")
            self._last = max(self._clock(), self._last + timedelta(microseconds=1))
            stored = replace(staged, version=Version(number=1, created=self._last))
            self._staged[staged.path] = stored
            self.history.append(stored)
            return stored

    def remove(self, path: PathRef, version: Version | None) -> None:
        with self._operation("remove", str(path)):
            known = self._staged.get(path)
            if known is None:
                return
            if known.version != version:
                raise Conflict(f"what is staged for {path} changed since it was read; read it again")
            del self._staged[path]

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
        self._early = False

    def read(self, path: PathRef) -> Proof | None:
        with self._operation("read", str(path)):
            return self._proofs.get(path)

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Proof | None]]:
        return asked(lambda: self.read(path))

    @contextmanager
    def writing(self, proof: Proof) -> Iterator[Callable[[], None]]:
        """Early or late by turns: a real one may be either."""
        self._early = not self._early
        if self._early:
            self._write(proof)
        yield (lambda: None) if self._early else lambda: self._write(proof)

    def write(self, proof: Proof) -> None:
        """At once, for tests."""
        self._write(proof)

    def _write(self, proof: Proof) -> None:
        with self._operation("write", str(proof.path)):
            self._proofs[proof.path] = proof
