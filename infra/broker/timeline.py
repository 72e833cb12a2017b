"""What happened to events, and when: the data behind `lockstep events`, `explain` and the metrics."""

import sqlite3
from collections.abc import Sequence
from threading import Condition
from typing import Any

from infra.broker.records import Head, Line, Trace
from infra.broker.rows import State
from infra.broker.store import Store

_HEAD = "e.seq, e.accepted, e.id, e.source, e.type, e.subject, e.correlation, e.principal, e.repeated"
# A delivery's own row tells of its end; a dead letter's line is among the attempts, as it may be followed by more.
_LINES = (
    f"SELECT l.n, l.at, l.route, l.outcome, l.attempts, l.took, l.status, l.reason, {_HEAD} FROM ("  # noqa: S608 - constants
    "SELECT * FROM (SELECT seq AS n, seq AS event, accepted AS at, NULL AS route, -1 AS outcome, 0 AS attempts,"
    " 0 AS took, 0 AS status, NULL AS reason FROM event WHERE {event} ORDER BY 1 LIMIT :limit) "
    "UNION ALL SELECT * FROM (SELECT finished, event, ended, route, state, attempts, took, status, reason"
    " FROM delivery WHERE {delivery} AND finished IS NOT NULL AND state IN (10, 11) ORDER BY 1 LIMIT :limit) "
    "UNION ALL SELECT * FROM (SELECT seq, event, at, route, outcome, number, took, status, reason"
    " FROM attempt WHERE {attempt} ORDER BY 1 LIMIT :limit)"
    ") l JOIN event e ON e.seq = l.event ORDER BY l.n LIMIT :limit"
)
_SINCE = _LINES.format(event="seq > :since", delivery="finished > :since", attempt="seq > :since")
_OF_EVENT = _LINES.format(event="seq = :event", delivery="event = :event", attempt="event = :event")


class Tide:
    """Wakes those who wait for something new to be durable."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._sequence = 0
        self._waiting = 0

    def rise(self, sequence: int) -> None:
        self._sequence = sequence
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def wait_beyond(self, sequence: int, timeout: float) -> bool:
        """Wait until there is more than `sequence`; False if there is not within `timeout` seconds."""
        with self._changed:
            self._waiting += 1
            try:
                return self._changed.wait_for(lambda: self._sequence > sequence, timeout)
            finally:
                self._waiting -= 1


class Timeline:
    """Queries. Positions are sequence numbers, shared by events and by everything that happened to them."""

    def __init__(self, store: Store, tide: Tide) -> None:
        self._store = store
        self._tide = tide

    def lines(self, since: int = 0, limit: int = 1000) -> tuple[Line, ...]:
        """What happened after `since`, in order."""
        with self._store.reading() as sql:
            return _lines(sql.execute(_SINCE, {"since": since, "limit": limit}).fetchall())

    def follow(self, since: int, timeout: float, limit: int = 1000) -> tuple[Line, ...]:
        """As `lines`, but waits up to `timeout` seconds while there is nothing."""
        found = self.lines(since, limit)
        if found or not self._tide.wait_beyond(since, timeout):
            return found
        return self.lines(since, limit)

    def traces(
        self,
        *,
        subject: str | None = None,
        correlation: str | None = None,
        type: str | None = None,  # noqa: A002 - CloudEvents' name
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[Trace, ...]:
        """The newest `limit` events that match all of what is given, oldest first."""
        wanted = {"subject": subject, "correlation": correlation, "type": type}
        given = {name: value for name, value in wanted.items() if value is not None}
        conditions = [f"e.{name} = :{name}" for name in given] + (["e.seq < :before"] if before is not None else [])
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        with self._store.reading() as sql:
            rows = sql.execute(
                f"SELECT {_HEAD} FROM event e {where}ORDER BY e.seq DESC LIMIT :limit",  # noqa: S608 - names only
                {**given, "before": before, "limit": limit},
            ).fetchall()
            return tuple(_trace(sql, _head(row)) for row in reversed(rows))

    def trace(self, sequence: int) -> Trace | None:
        """One event by its sequence number."""
        with self._store.reading() as sql:
            row = sql.execute(f"SELECT {_HEAD} FROM event e WHERE e.seq = ?", (sequence,)).fetchone()  # noqa: S608 - a constant
            return _trace(sql, _head(row)) if row else None


def _trace(sql: sqlite3.Connection, head: Head) -> Trace:
    lines = _lines(sql.execute(_OF_EVENT, {"event": head.sequence, "limit": 10_000}).fetchall())
    open_ = sql.execute("SELECT route FROM delivery WHERE event = ? AND finished IS NULL", (head.sequence,)).fetchall()
    return Trace(head, lines, tuple(row[0] for row in open_))


def _lines(rows: Sequence[Any]) -> tuple[Line, ...]:
    return tuple(_line(row) for row in rows)


def _line(row: Sequence[Any]) -> Line:
    outcome = "accepted" if row[3] < 0 else State(row[3]).name.lower().replace("_", "-")
    return Line(
        sequence=row[0], at=row[1], route=row[2], outcome=outcome,
        attempts=row[4], took=row[5] or 0, status=row[6] or 0, reason=row[7], event=_head(row[8:]),
    )  # fmt: skip


def _head(row: Sequence[Any]) -> Head:
    return Head(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], bool(row[8]))
