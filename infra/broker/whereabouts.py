"""Where things stand: what is still to be delivered and when, and what was last said about a subject."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from events.cloudevent import CloudEvent
from infra.broker.records import Pending, Said
from infra.broker.rows import State, load_event
from infra.broker.store import Store

_POSITION = (
    "SELECT max(coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(seq) FROM attempt), 0),"
    " coalesce((SELECT max(finished) FROM delivery WHERE finished IS NOT NULL), 0))"
)
_PENDING = (
    "SELECT d.event, d.route, d.state, d.attempts, d.due, d.status, d.reason, e.type, e.subject, e.accepted"
    " FROM delivery d JOIN event e ON e.seq = d.event WHERE d.finished IS NULL"
)


class Whereabouts:
    """Queries over what is durable. None of them costs more for a longer history."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def position(self) -> int:
        """The newest sequence number: a follower of the timeline that begins here sees what comes."""
        with self._store.reading() as sql:
            return int(sql.execute(_POSITION).fetchone()[0])

    def position_at(self, at: int) -> int:
        """The sequence number of the last event accepted before a time (microseconds since the epoch)."""
        with self._store.reading() as sql:
            row = sql.execute("SELECT seq FROM event WHERE accepted < ? ORDER BY seq DESC LIMIT 1", (at,)).fetchone()
        return int(row[0]) if row else 0

    def pending(self, subjects: Iterable[str] | None = None, limit: int = 10_000) -> tuple[Pending, ...]:
        """Deliveries that are not over, oldest first; of all subjects, or of these."""
        with self._store.reading() as sql:
            if subjects is None:
                return _pending(sql.execute(f"{_PENDING} ORDER BY d.event LIMIT ?", (limit,)))
            found = [
                one
                for subject in dict.fromkeys(subjects)
                for one in _pending(sql.execute(f"{_PENDING} AND e.subject = ? ORDER BY d.event", (subject,)))
            ]
        return tuple(sorted(found, key=lambda one: (one.event, one.route)))

    def newest(self, subjects: Iterable[str], types: Sequence[str] = (), by: str = "") -> dict[str, Said]:
        """The newest event about each subject: of these types, by principals whose names begin so."""
        condition = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
        condition += " AND substr(principal, 1, ?) = ?" if by else ""
        rest = (*types, len(by), by) if by else tuple(types)
        statement = (
            f"SELECT seq, accepted, type, principal FROM event WHERE subject = ?{condition}"  # noqa: S608 - marks only
            " ORDER BY seq DESC LIMIT 1"
        )
        found: dict[str, Said] = {}
        with self._store.reading() as sql:
            for subject in subjects:
                row = sql.execute(statement, (subject, *rest)).fetchone()
                if row is not None:
                    found[subject] = Said(*row)
        return found

    def events(self, sequences: Iterable[int]) -> dict[int, CloudEvent]:
        """Events as they were stored; those that retention removed are not there."""
        with self._store.reading() as sql:
            loaded = ((sequence, load_event(sql, sequence)) for sequence in dict.fromkeys(sequences))
            return {sequence: event for sequence, event in loaded if event is not None}


def _pending(rows: sqlite3.Cursor) -> tuple[Pending, ...]:
    return tuple(_one(row) for row in rows)


def _one(row: Sequence[Any]) -> Pending:
    event, route, state, attempts, due, status, reason, type_, subject, accepted = row
    return Pending(
        event=event, route=route, state=State(state).name.lower(), attempts=attempts, due=due,
        status=status or 0, reason=reason or "", type=type_, subject=subject, accepted=accepted,
    )  # fmt: skip
