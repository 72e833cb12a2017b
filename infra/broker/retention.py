"""Forgetting events that are through. Pending events, open dead letters and the ledger are never touched."""

from concurrent.futures import Future
from dataclasses import dataclass

from infra.broker.clock import Clock, micros
from infra.broker.store import Store
from infra.broker.transaction import Transaction
from infra.broker.writer import Writer

_BATCH = 500  # events per transaction: a sender never waits for more

_THROUGH = (
    "SELECT e.seq FROM event e WHERE (e.accepted < ? OR e.seq <= ?)"
    " AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.event = e.seq AND d.finished IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM dead_letter l WHERE l.event = e.seq AND l.closed IS NULL)"
    " ORDER BY e.seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Retention:
    """Events are kept for `days`, and at most `count` of them; what is pending is kept beyond both."""

    days: float = 14.0
    count: int = 200_000


class Pruner:
    """Carries a Retention out, in small transactions."""

    def __init__(self, store: Store, writer: Writer, clock: Clock) -> None:
        self._store, self._writer, self._clock = store, writer, clock

    def prune(self, retention: Retention) -> int:
        """Remove what may go; how many events went. Raises what the writer raises (BrokerFullError)."""
        total = 0
        while True:
            removed = self._batch(retention).result()
            total += removed
            if removed < _BATCH:
                return total

    def _batch(self, retention: Retention) -> Future[int]:
        oldest = micros(self._clock() - retention.days * 86400)

        def work(transaction: Transaction) -> int:
            sql = transaction.sql
            beyond = sql.execute(
                "SELECT seq FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?", (retention.count,)
            ).fetchone()
            rows = sql.execute(_THROUGH, (oldest, beyond[0] if beyond else 0, _BATCH)).fetchall()
            for table, column in (
                ("delivery", "event"),
                ("attempt", "event"),
                ("dead_letter", "event"),
                ("event", "seq"),
            ):
                sql.executemany(f"DELETE FROM {table} WHERE {column} = ?", rows)  # noqa: S608 - names from above
            # Sequence numbers are positions of followers, and must not be given out again.
            sql.execute("INSERT OR REPLACE INTO mark VALUES ('sequence', ?)", (transaction.sequence,))
            return len(rows)

        return self._writer.submit(work)
