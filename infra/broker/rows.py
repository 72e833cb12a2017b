"""Events and deliveries as rows: the few statements of the hot path, each prepared once per connection."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from events.cloudevent import CloudEvent
from infra.broker.intake import Stamped
from infra.broker.ledger import append
from infra.broker.transaction import Transaction


class State(IntEnum):
    """Of a delivery, and the outcome of an attempt or of an intervention. Below DELIVERED it is not over."""

    PENDING = 0
    RETRIED = 1
    HELD = 2
    DELIVERED = 10
    SUPERSEDED = 11
    DEAD_LETTERED = 12
    REPLAYED = 20
    DROPPED = 21


_INSERT_EVENT = "INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_DELIVERY = "INSERT INTO delivery(event, route, state, attempts) VALUES (?,?,0,0)"
_BEGIN_AGAIN = "INSERT OR REPLACE INTO delivery(event, route, state, attempts) VALUES (?,?,0,0)"
_FINISH = (
    "UPDATE delivery SET state=?, attempts=?, finished=?, ended=?, took=?, status=?, reason=?, due=NULL"
    " WHERE event=? AND route=?"
)
_POSTPONE = "UPDATE delivery SET state=?, attempts=?, due=?, status=?, reason=? WHERE event=? AND route=?"
_ATTEMPT = "INSERT INTO attempt VALUES (?,?,?,?,?,?,?,?,?)"
_EVENT = "id, source, type, subject, time, contenttype, schema, extensions, data"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to. `at` is when it ended, `took` how long it ran, in microseconds."""

    state: State
    at: int
    attempts: int
    took: int = 0
    status: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A delivery that a restart takes up again. `due` is microseconds since the epoch, None for at once."""

    event: int
    route: str
    attempts: int
    due: int | None
    id: str
    type: str
    subject: str | None
    principal: str
    accepted: int
    ttl: int


def store_event(transaction: Transaction, sequence: int, stamped: Stamped, routes: Iterable[str]) -> None:
    """Store an event under a number that the transaction gave out, its ledger entry and its deliveries."""
    event, about = stamped.event, stamped.about
    principal = str(stamped.principal)
    first = append(transaction, "accepted", about, at=stamped.at, principal=principal)
    transaction.sql.execute(
        _INSERT_EVENT,
        (sequence, stamped.at, event.id, event.source, event.type, event.subject, event.time, event.datacontenttype,
         event.dataschema, stamped.extensions, event.data, about.correlation, principal, stamped.ttl, not first),
    )  # fmt: skip
    for route in routes:
        transaction.sql.execute(_INSERT_DELIVERY, (sequence, route))


def finish(transaction: Transaction, event: int, route: str, outcome: Outcome, sequence: int | None = None) -> None:
    """End a delivery; `sequence` is that of its line in the timeline where it has one already."""
    transaction.sql.execute(
        _FINISH,
        (int(outcome.state), outcome.attempts, sequence or transaction.next(), outcome.at, outcome.took,
         outcome.status, outcome.reason, event, route),
    )  # fmt: skip


def begin(transaction: Transaction, event: int, route: str) -> None:
    """Begin a delivery, or begin one that was over again."""
    transaction.sql.execute(_BEGIN_AGAIN, (event, route))


def postpone(transaction: Transaction, event: int, route: str, outcome: Outcome, due: int | None) -> None:
    """Record an attempt after which the delivery goes on."""
    transaction.sql.execute(
        _POSTPONE, (int(outcome.state), outcome.attempts, due, outcome.status, outcome.reason, event, route)
    )
    note(transaction, event, route, outcome)


def note(transaction: Transaction, event: int, route: str, outcome: Outcome) -> int:
    """Add a line to an event's timeline."""
    sequence = transaction.next()
    transaction.sql.execute(
        _ATTEMPT,
        (sequence, event, route, outcome.at, int(outcome.state), outcome.attempts, outcome.took, outcome.status,
         outcome.reason),
    )  # fmt: skip
    return sequence


def load_event(sql: sqlite3.Connection, sequence: int) -> CloudEvent | None:
    """The event as it was stored, None when retention has removed it."""
    row = sql.execute(f"SELECT {_EVENT} FROM event WHERE seq = ?", (sequence,)).fetchone()  # noqa: S608 - a constant
    if row is None:
        return None
    id_, source, type_, subject, time, contenttype, schema, extensions, data = row
    return CloudEvent(
        id=id_, source=source, type=type_, subject=subject, time=time, datacontenttype=contenttype,
        dataschema=schema, extensions=MappingProxyType(json.loads(extensions)), data=data,
    )  # fmt: skip


def unfinished(sql: sqlite3.Connection, event: int | None = None, route: str | None = None) -> Iterator[Unfinished]:
    """Every delivery that is not over (or the one named), in the order in which their events were accepted."""
    one = "" if event is None else " AND d.event = ? AND d.route = ?"
    statement = (
        "SELECT d.event, d.route, d.attempts, d.due, e.id, e.type, e.subject, e.principal, e.accepted, e.ttl"  # noqa: S608 - constants
        f" FROM delivery d JOIN event e ON e.seq = d.event WHERE d.finished IS NULL{one} ORDER BY d.event"
    )
    for row in sql.execute(statement, () if event is None else (event, route)):
        yield Unfinished(*row)
