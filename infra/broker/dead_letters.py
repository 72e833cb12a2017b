"""Deliveries that were given up: kept until somebody replays or drops them, by name and on record."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future

from events.cloudevent import CloudEvent
from infra.broker import ledger
from infra.broker.clock import Clock, micros
from infra.broker.errors import DeadLetterError, UnknownDeadLetterError
from infra.broker.intake import about, with_error
from infra.broker.principal import Principal
from infra.broker.records import DeadLetter
from infra.broker.rows import Outcome, State, begin, load_event, note
from infra.broker.settler import error_data, tidy
from infra.broker.store import Store
from infra.broker.transaction import Transaction
from infra.broker.writer import Writer

_COLUMNS = (
    "d.n, d.event, d.route, d.at, d.destination, d.code, d.reason, d.attempts, d.closed, d.outcome, d.closer,"
    " e.id, e.source, e.type, e.subject, e.correlation"
)
_SELECT = f"SELECT {_COLUMNS} FROM dead_letter d JOIN event e ON e.seq = d.event"  # noqa: S608 - a constant


class DeadLetters:
    """`replayed(event, route)` is called, durably, for what is to be delivered again; `routes()` names what exists."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        clock: Clock,
        *,
        known: Callable[[str], bool],
        replayed: Callable[[int, str], object],
    ) -> None:
        self._store, self._writer, self._clock, self._known, self._replayed = store, writer, clock, known, replayed

    def list(self, *, include_closed: bool = False, limit: int = 100, after: int = 0) -> tuple[DeadLetter, ...]:
        """Dead letters with a number above `after`, oldest first."""
        condition = "" if include_closed else " AND d.closed IS NULL"
        with self._store.reading() as sql:
            rows = sql.execute(f"{_SELECT} WHERE d.n > ?{condition} ORDER BY d.n LIMIT ?", (after, limit)).fetchall()
        return tuple(DeadLetter(*row) for row in rows)

    def count(self) -> int:
        """How many are open."""
        with self._store.reading() as sql:
            return int(sql.execute("SELECT count(*) FROM dead_letter WHERE closed IS NULL").fetchone()[0])

    def show(self, n: int) -> tuple[DeadLetter, CloudEvent]:
        """A dead letter and its event, with the `knativeerror*` attributes. Raises DeadLetterError if unknown."""
        with self._store.reading() as sql:
            row = sql.execute(f"{_SELECT} WHERE d.n = ?", (n,)).fetchone()
            event = load_event(sql, row[1]) if row else None
        if row is None or event is None:
            raise UnknownDeadLetterError(n)
        letter = DeadLetter(*row)
        return letter, with_error(event, letter.destination, letter.code, error_data(letter.reason))

    def replay(self, n: int, by: Principal) -> Future[None]:
        """Deliver it again with a fresh budget of attempts. The future raises DeadLetterError: unknown, closed already,
        or its Trigger is gone."""
        target: list[tuple[int, str]] = []

        def work(transaction: Transaction) -> None:
            target.clear()
            self._require_route(transaction, n)
            event, route = self._close(transaction, n, by, State.REPLAYED)
            begin(transaction, event, route)
            target.append((event, route))

        return self._writer.submit(work, lambda _: self._replayed(*target[0]))

    def handed_on(self, n: int, by: Principal) -> Future[None]:
        """Close it as replayed where somebody else delivers it again, and has taken it. As `drop` for the rest."""

        def work(transaction: Transaction) -> None:
            self._close(transaction, n, by, State.REPLAYED)

        return self._writer.submit(work)

    def drop(self, n: int, by: Principal) -> Future[None]:
        """Give it up for good. The future raises DeadLetterError: unknown, or closed already."""

        def work(transaction: Transaction) -> None:
            self._close(transaction, n, by, State.DROPPED)

        return self._writer.submit(work)

    def _require_route(self, transaction: Transaction, n: int) -> None:
        route = _open_letter(transaction.sql, n)[1]
        if not self._known(route):
            raise DeadLetterError(f"dead letter {n} goes to Trigger {route}, which is not configured; restore it first")

    def _close(self, transaction: Transaction, n: int, by: Principal, state: State) -> tuple[int, str]:
        event, route, code, reason = _open_letter(transaction.sql, n)
        at, name = micros(self._clock()), state.name.lower()
        transaction.sql.execute(
            "UPDATE dead_letter SET closed = ?, outcome = ?, closer = ? WHERE n = ?", (at, name, str(by), n)
        )
        note(transaction, event, route, Outcome(state, at, 0, reason=f"by {by}"))
        content = load_event(transaction.sql, event)
        if content is None:
            raise DeadLetterError(f"the event of dead letter {n} is no longer stored")
        ledger.append(
            transaction, "replay" if state is State.REPLAYED else "drop", about(content), at=at, principal=str(by),
            detail=tidy(f"dead letter {n} of {route}: {code} {reason}"),
        )  # fmt: skip
        return event, route


def _open_letter(sql: sqlite3.Connection, n: int) -> tuple[int, str, int, str]:
    row = sql.execute(
        "SELECT event, route, code, reason, outcome, closer FROM dead_letter WHERE n = ?", (n,)
    ).fetchone()
    if row is None:
        raise UnknownDeadLetterError(n)
    if row[4] is not None:
        raise DeadLetterError(f"dead letter {n} was {row[4]} by {row[5]} already")
    return row[0], row[1], row[2], row[3]
