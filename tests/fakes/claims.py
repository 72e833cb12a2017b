"""Ownership documents in memory."""

from dataclasses import replace

from events.references import PathRef
from functions._failures import Conflict
from functions._ports import Claim
from tests.fakes.authority import Instrumented


class FakeClaims(Instrumented):
    """`Claims` over a dictionary; a revision is the number of writes, as the version of a KV v2 document is."""

    def __init__(self, *claims: Claim) -> None:
        super().__init__()
        self._claims: dict[PathRef, Claim] = {}
        for claim in claims:
            self.seed(claim)

    def read(self, path: PathRef) -> Claim | None:
        with self._operation("read", str(path)):
            return self._claims.get(path)

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
