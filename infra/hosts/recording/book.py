"""The ledger's database where another broker delivers: events and dead letters, each written down once."""

import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from events.cloudevent import CloudEvent
from functions._failures import Retry
from infra.broker import ledger
from infra.broker.clock import Clock, micros
from infra.broker.dead_letters import DeadLetters
from infra.broker.errors import BrokerClosedError
from infra.broker.intake import TTL, Stamped, stamp
from infra.broker.principal import Principal
from infra.broker.records import Health
from infra.broker.retention import Pruner
from infra.broker.rows import Outcome, State, note, store_event
from infra.broker.settler import tidy
from infra.broker.store import Store
from infra.broker.timeline import Tide, Timeline
from infra.broker.transaction import Transaction
from infra.broker.whereabouts import Whereabouts
from infra.broker.writer import Writer
from infra.hosts.recording.sending import Send, SentAgain

# Whoever delivers to us: who sent an event is known to the broker alone, and it does not tell.
BROKER = Principal("source", "broker")
_ACCEPTED = "SELECT 1 FROM ledger WHERE id = ? AND source = ? AND kind = 'accepted'"
_STORED = "SELECT seq FROM event WHERE id = ? AND source = ? ORDER BY seq LIMIT 1"
# One that was replayed may be given up once more; one that was dropped stays dropped.
_GIVEN_UP = "SELECT 1 FROM dead_letter WHERE event = ? AND route = ? AND coalesce(outcome, '') != 'replayed'"
_GIVE_UP = (
    "INSERT INTO dead_letter(event, route, at, destination, code, reason, attempts) VALUES (?,?,?,?,?,?,?)"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Why a broker gave up a delivery, as far as it tells. `attempts` it does not."""

    route: str  # the subscriber's name
    destination: str
    code: int
    reason: str


class RecordBook:
    """Implements Evidence. One file, one process; every method is thread-safe. Nothing is delivered from here."""

    def __init__(self, path: Path, clock: Clock = time.time, send: Send | None = None) -> None:
        """Open or make the database. `send` gives the broker what is to be delivered again. Raises StoreError."""
        self._clock = clock
        self._store = Store(path)
        tide = Tide()
        self._writer = Writer(self._store.connection, tide.rise)
        self.ledger = ledger.Ledger(self._store, self._writer)
        self.timeline = Timeline(self._store, tide)
        self.whereabouts = Whereabouts(self._store)
        self.pruner = Pruner(self._store, self._writer, clock)
        letters = DeadLetters(
            self._store, self._writer, clock, known=lambda _: False, replayed=lambda event, route: None
        )
        self.dead_letters = SentAgain(letters, send or _nobody)

    def record(self, event: CloudEvent) -> Future[bool]:
        """Write an event down; whether it is new, once it is durable: one of its id and source is written once.

        Raises RefusedError for one that cannot be kept; the future raises BrokerFullError and BrokerClosedError.
        """
        stamped = self._stamped(event)

        def work(transaction: Transaction) -> bool:
            if transaction.sql.execute(_ACCEPTED, (event.id, event.source)).fetchone():
                return False
            store_event(transaction, transaction.next(), stamped, ())
            return True

        return self._writer.submit(work)

    def give_up(self, event: CloudEvent, why: GivenUp) -> Future[bool]:
        """Write down that a delivery was given up, and its event if that is not here; once per event and subscriber.

        Raises as `record`.
        """
        stamped = self._stamped(event)
        reason = tidy(why.reason)

        def work(transaction: Transaction) -> bool:
            sequence = _sequence(transaction.sql, event)
            if sequence is None:
                sequence = transaction.next()
                store_event(transaction, sequence, stamped, ())
            elif transaction.sql.execute(_GIVEN_UP, (sequence, why.route)).fetchone():
                return False
            note(transaction, sequence, why.route, Outcome(State.DEAD_LETTERED, stamped.at, 0, 0, why.code, reason))
            row = (sequence, why.route, stamped.at, why.destination, why.code, reason, 0)
            transaction.sql.execute(_GIVE_UP, row)
            ledger.append(
                transaction, "dead-letter", stamped.about, at=stamped.at, principal=str(BROKER),
                detail=f"{why.route}: {why.code} {reason}",
            )  # fmt: skip
            return True

        return self._writer.submit(work)

    def accept_many(self, events: Iterable[CloudEvent], principal: Principal) -> Future[tuple[int, ...]]:
        """Raises BrokerClosedError: what is to be delivered goes to the broker."""
        raise BrokerClosedError("the ledger delivers nothing; send the event to the broker's ingress")

    def health(self) -> Health:
        return Health(
            running=not self._writer.closed, pending=0, stalled_for=0.0, held={},
            dead_letters=self.dead_letters.count(), full=self._writer.full,
        )  # fmt: skip

    def close(self) -> None:
        """Finish what is being written, and let go of the file; nothing where that was done."""
        if not self._writer.closed:
            self._writer.close()
            self._store.close()

    def _stamped(self, event: CloudEvent) -> Stamped:
        # How often it may still be passed on says nothing about whether it is to be written down.
        return stamp(event.with_extensions(**{TTL: None}), BROKER, micros(self._clock()))


def _sequence(sql: sqlite3.Connection, event: CloudEvent) -> int | None:
    row = sql.execute(_STORED, (event.id, event.source)).fetchone()
    return int(row[0]) if row else None


def _nobody(event: CloudEvent) -> None:
    raise Retry("there is no broker to send it to; set K_SINK to the broker's ingress (a SinkBinding does)")
