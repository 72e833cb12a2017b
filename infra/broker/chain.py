"""The hash chain of the ledger: pure computation, so that anybody can verify an exported ledger with it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = bytes(32)  # what the first entry is chained to
FORMAT = 1  # of the hashed document

# n, at, kind, id, source, type, subject, correlation, causation, principal, detail, digest: an Entry without hashes
Fields = tuple[int, int, str, str, str, str, str | None, str, str | None, str, str | None, bytes]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `at` is microseconds since the epoch; `digest` is that of the event as accepted.

    `kind` is `accepted`, `dead-letter`, `replay`, `drop` or `abandon`; `detail` says more about all but the first.
    """

    n: int
    at: int
    kind: str
    id: str
    source: str
    type: str
    subject: str | None
    correlation: str
    causation: str | None
    principal: str
    detail: str | None
    digest: bytes
    previous: bytes
    hash: bytes

    @property
    def fields(self) -> Fields:
        return (
            self.n, self.at, self.kind, self.id, self.source, self.type, self.subject,
            self.correlation, self.causation, self.principal, self.detail, self.digest,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the chain found. `broken` is the first entry that does not hold, with the `problem`."""

    entries: int
    head: int
    hash: bytes
    broken: int | None = None
    problem: str = ""

    @property
    def intact(self) -> bool:
        return self.broken is None


def entry_hash(previous: bytes, fields: Fields) -> bytes:
    """SHA-256 of a JSON array of everything in the entry, the previous hash first."""
    *readable, digest = fields
    document = json.dumps([FORMAT, previous.hex(), *readable, digest.hex()], separators=(",", ":"))
    return hashlib.sha256(document.encode()).digest()


def verify(entries: Iterable[Entry], previous: bytes = GENESIS, after: int = 0) -> Verification:
    """Walk entries that follow entry `after`, whose hash is `previous`. Stops at the first that does not hold."""
    count = 0
    for entry in entries:
        problem = _problem(entry, previous, after)
        if problem:
            return Verification(count, after, previous, broken=entry.n, problem=problem)
        previous, after, count = entry.hash, entry.n, count + 1
    return Verification(count, after, previous)


def _problem(entry: Entry, previous: bytes, after: int) -> str:
    if entry.n != after + 1:
        return f"entry {after + 1} is missing"
    if entry.previous != previous:
        return f"entry {entry.n} does not follow entry {after}"
    expected = entry_hash(entry.previous, entry.fields)
    return "" if expected == entry.hash else f"entry {entry.n} was changed after it was written"
