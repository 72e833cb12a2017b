"""The append-only audit record, written in the transaction that accepts, dead-letters, replays or drops.

Signing and anchoring are done elsewhere: they ask for `head()` and record what they did with `record_anchor`.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from infra.broker.chain import GENESIS, Entry, Fields, Verification, entry_hash, verify
from infra.broker.records import Anchor
from infra.broker.store import Store
from infra.broker.transaction import Transaction
from infra.broker.writer import Writer

_COLUMNS = "n, at, kind, id, source, type, subject, correlation, causation, principal, detail, digest, hash"
_INSERT = f"INSERT INTO ledger({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - a constant
_INSERT_ONCE = f"{_INSERT} ON CONFLICT DO NOTHING"
_SELECT_PAGE = f"SELECT {_COLUMNS} FROM ledger WHERE n BETWEEN ? AND ? ORDER BY n LIMIT ?"  # noqa: S608 - a constant
_PAGE = 1000
_MAX_N = 2**62


@dataclass(frozen=True, slots=True)
class Subject:
    """What an entry is about: an event's identity, and the digest of its attributes and data."""

    id: str
    source: str
    type: str
    subject: str | None
    correlation: str
    causation: str | None
    digest: bytes


def append(
    transaction: Transaction, kind: str, about: Subject, *, at: int, principal: str, detail: str | None = None
) -> bool:
    """Add an entry; False if this event (source and id) has its `accepted` entry already."""
    n = transaction.entries + 1
    fields: Fields = (
        n, at, kind, about.id, about.source, about.type, about.subject,
        about.correlation, about.causation, principal, detail, about.digest,
    )  # fmt: skip
    hash_ = entry_hash(transaction.hash, fields)
    statement = _INSERT if kind != "accepted" else _INSERT_ONCE
    cursor = transaction.sql.execute(statement, (*fields, hash_))
    if cursor.rowcount == 0:
        return False
    transaction.entries, transaction.hash = n, hash_
    return True


class Ledger:
    """Reading the chain, and remembering its anchors."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last durable entry; (0, GENESIS) of an empty ledger."""
        with self._store.reading() as sql:
            row = sql.execute("SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, GENESIS)

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """Entries `first` to `last` (inclusive; None: to the end), read in pages."""
        position, end = max(first, 1), _MAX_N if last is None else last
        while position <= end:
            page = self._page(position, end)
            yield from page
            if len(page) < _PAGE:
                return
            position = page[-1].n + 1

    def verify_chain(self, last: int | None = None) -> Verification:
        """Recompute the chain from its beginning, and hold the recorded anchors against it."""
        found = verify(self.entries(1, last))
        if not found.intact:
            return found
        for anchor in self.anchors():
            if last is not None and anchor.n > last:
                continue
            entry = next(self.entries(anchor.n, anchor.n), None)
            if entry is None or entry.hash != anchor.hash:
                problem = f"entry {anchor.n} is not the one that was anchored: the chain was cut or rewritten"
                return Verification(found.entries, found.head, found.hash, broken=anchor.n, problem=problem)
        return found

    def record_anchor(
        self, n: int, hash_: bytes, signature: str, key_version: int, authority_version: int, *, at: int
    ) -> Future[None]:
        """Remember that the head was anchored; an anchor of the same entry is replaced."""
        row = (n, hash_, signature, key_version, authority_version, at)

        def work(transaction: Transaction) -> None:
            transaction.sql.execute("INSERT OR REPLACE INTO anchor VALUES (?,?,?,?,?,?)", row)

        return self._writer.submit(work)

    def anchors(self, limit: int = 1000) -> tuple[Anchor, ...]:
        """The newest `limit` anchors, oldest first."""
        with self._store.reading() as sql:
            rows = sql.execute(
                "SELECT n, hash, signature, key_version, authority_version, at FROM anchor ORDER BY n DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return tuple(Anchor(*row) for row in reversed(rows))

    def _page(self, first: int, last: int) -> list[Entry]:
        with self._store.reading() as sql:
            before = sql.execute("SELECT hash FROM ledger WHERE n = ?", (first - 1,)).fetchone()
            rows = sql.execute(_SELECT_PAGE, (first, last, _PAGE)).fetchall()
        return list(_chained(rows, before[0] if before else GENESIS))


def _chained(rows: list[Any], previous: bytes) -> Iterator[Entry]:
    for row in rows:
        fields: Fields = row[:-1]
        yield Entry(*fields, previous, row[-1])
        previous = row[-1]
