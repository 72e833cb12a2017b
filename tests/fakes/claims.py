"""Ownership documents in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from events.references import PathRef
from functions._failures import Conflict, StepFailure
from functions._ports import Claim
from tests.fakes.authority import Instrumented


class FakeClaims(Instrumented):
    """`Claims` over a dictionary; a revision is the number of writes, as the version of a KV v2 document is."""

    def __init__(self, *claims: Claim) -> None:
        super().__init__()
        self._claims: dict[PathRef, Claim] = {}
        self._pages: dict[tuple[PathRef, int], tuple[str, ...]] = {}
        for claim in claims:
            self.seed(claim)

    def read(self, path: PathRef) -> Claim | None:
        with self._operation("read", str(path)):
            return self._claims.get(path)

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Claim | None]]:
        """Reads when it is asked, so as early as a real one can; a failure waits until it is called for."""
        failure: StepFailure | None = None
        claim: Claim | None = None
        try:
            claim = self.read(path)
        except StepFailure as error:
            failure = error

        def found() -> Claim | None:
            if failure is not None:
                raise failure
            return claim

        yield found

    def create(self, claim: Claim) -> Claim:
        with self._operation("create", str(claim.path)):
            if claim.path in self._claims:
                raise Conflict(f"{claim.path} is claimed already; read its claim")
            return self._store(claim, 1)

    def update(self, claim: Claim) -> Claim:
        with self._operation("update", str(claim.path)):
            known = self._claims.get(claim.path)
            if known is None or known.revision != claim.revision:
                raise Conflict(f"the claim of {claim.path} changed since it was read; read it again")
            return self._store(claim, claim.revision + 1)

    def revoked(self, path: PathRef, page: int) -> tuple[str, ...]:
        with self._operation("revoked", str(path)):
            return self._pages.get((path, page), ())

    def remember(self, path: PathRef, page: int, fingerprints: tuple[str, ...]) -> None:
        with self._operation("remember", str(path)):
            self._pages[path, page] = tuple(dict.fromkeys((*self._pages.get((path, page), ()), *fingerprints)))

    def seed(self, claim: Claim) -> Claim:
        """Set a claim as another writer would: unlogged, never refused."""
        with self._lock:
            known = self._claims.get(claim.path)
            return self._store(claim, known.revision + 1 if known else 1)

    def all(self) -> tuple[Claim, ...]:
        """Every claim, ordered by path, for assertions."""
        with self._lock:
            return tuple(sorted(self._claims.values(), key=lambda claim: str(claim.path)))

    def _store(self, claim: Claim, revision: int) -> Claim:
        stored = replace(claim, revision=revision)
        self._claims[claim.path] = stored
        return stored
