"""What a job sees of the open transaction: the connection, and the two counters that live in memory."""

import sqlite3

from infra.broker.chain import GENESIS

Mark = tuple[int, int, bytes]


class Transaction:
    """Counters are taken back with `restore` when a transaction or savepoint rolls back."""

    __slots__ = ("_sequence", "entries", "hash", "sql")

    def __init__(self, sql: sqlite3.Connection) -> None:
        self.sql = sql
        self._sequence = _highest_sequence(sql)
        head = sql.execute("SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1").fetchone()
        self.entries: int = head[0] if head else 0
        self.hash: bytes = head[1] if head else GENESIS

    @property
    def sequence(self) -> int:
        """The last number given out."""
        return self._sequence

    def next(self) -> int:
        """The next number of everything that the timeline shows."""
        self._sequence += 1
        return self._sequence

    def mark(self) -> Mark:
        return self._sequence, self.entries, self.hash

    def restore(self, mark: Mark, *, numbers: bool = True) -> None:
        """Back to the mark; but `numbers` that somebody knows already are not given out again."""
        sequence, self.entries, self.hash = mark
        if numbers:
            self._sequence = sequence


def _highest_sequence(sql: sqlite3.Connection) -> int:
    # The mark is what retention has deleted up to: numbers are not given twice.
    row = sql.execute(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(seq), 0) FROM attempt),"
        " (SELECT coalesce(max(finished), 0) FROM delivery WHERE finished IS NOT NULL),"
        " (SELECT coalesce(max(value), 0) FROM mark WHERE name = 'sequence'))"
    ).fetchone()
    return int(row[0])
