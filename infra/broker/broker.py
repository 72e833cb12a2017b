"""The embedded broker: durable before it answers, at least once, in order per key (reference, events.md 1).

broker = Broker(path, triggers, subscribers, admission)
broker.start()
broker.accept(event, principal).result()     # stored; delivery goes on by itself
broker.drain(10)
"""

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from events.cloudevent import CloudEvent
from infra.broker.admission import Admission
from infra.broker.attempt import Attempter
from infra.broker.backlog import Backlog
from infra.broker.chaos import Chaos
from infra.broker.clock import Clock, micros
from infra.broker.dead_letters import DeadLetters
from infra.broker.dispatcher import Dispatcher
from infra.broker.errors import BrokerClosedError, TriggerError
from infra.broker.handing_out import HandingOut
from infra.broker.intake import Accepted, Incoming, Stamped, stamp, stamp_reply
from infra.broker.lanes import Delivery, Group
from infra.broker.ledger import Ledger
from infra.broker.limits import Accounts, Limits
from infra.broker.principal import Principal
from infra.broker.records import Health
from infra.broker.retention import Pruner
from infra.broker.routes import Route, Routes, abandoned
from infra.broker.rows import Unfinished, store_event, unfinished
from infra.broker.settler import Settler
from infra.broker.store import Store
from infra.broker.subscriber import Subscriber
from infra.broker.timeline import Tide, Timeline
from infra.broker.timers import Timers
from infra.broker.transaction import Transaction
from infra.broker.trigger import Trigger
from infra.broker.whereabouts import Whereabouts
from infra.broker.writer import Writer

_OVERHEAD = 2000  # bytes that an event takes in memory beside its data, about
_STOPPING = "the broker is not running; send the event again when it is"


class Broker:
    """One database file, one process. All methods are thread-safe."""

    def __init__(
        self,
        path: Path,
        triggers: Iterable[Trigger],
        subscribers: Mapping[str, Subscriber],
        admission: Admission,
        *,
        limits: Limits | None = None,
        workers: int = 4,
        backoff_cap: float = 30.0,
        clock: Clock = time.time,
        chaos: Chaos | None = None,
        each: Collection[tuple[str, str]] = (),
        proves: Collection[tuple[str, str]] = (),
    ) -> None:
        """Open the database, and dispatch nothing yet.

        `subscribers` are by Service name or uri, as Triggers name them; `workers` is threads per Trigger;
        `backoff_cap` seconds is the longest pause between attempts; `each` is pairs of Trigger and type where a newer
        event never takes the place of an older one, `proves` such where none is delivered before it is durable.
        Raises StoreError, TriggerError.
        """
        self._routes = Routes(triggers, subscribers)
        self._admission = admission
        self._clock = clock
        self._each, self._proves = frozenset(each), frozenset(proves)
        self._store = Store(path)
        tide = Tide()
        self._writer = Writer(self._store.connection, tide.rise)
        self._timers = Timers()
        self._accounts = Accounts(limits or Limits())
        self._backlog = Backlog(self._accounts)
        self._dispatcher = Dispatcher(
            Settler(self._writer, self._timers),
            self._timers,
            Attempter(self._store, self._prepare_replies, clock=clock, cap=backoff_cap),
            over=self._backlog.over,
            accepted=self._replies_accepted,
            withdrawn=self._withdraw,
            workers=workers,
            probe_cap=backoff_cap,
            chaos=chaos,
        )
        self.ledger = Ledger(self._store, self._writer)
        self.timeline = Timeline(self._store, tide)
        self.whereabouts = Whereabouts(self._store)
        self.pruner = Pruner(self._store, self._writer, clock)
        self.dead_letters = DeadLetters(
            self._store, self._writer, clock, known=lambda name: name in self._routes.by_name, replayed=self._replayed
        )
        self._running = False
        self._closed = False
        self._cap = backoff_cap

    def start(self) -> None:
        """Take up what a former run left, and begin to accept and deliver."""
        self._dispatcher.configure(self._routes.by_name)
        with self._store.reading() as sql:
            rows = list(unfinished(sql))
        for row in rows:
            principal = _principal(row.principal)
            if self._backlog.add(row.event, 1, row.principal, row.accepted):
                self._accounts.count(principal, 1)
        self._dispatcher.add([self._resumed(row) for row in rows])
        self._running = True

    # --- Accepting ----------------------------------------------------------------------------------------------

    def accept(
        self, event: CloudEvent, principal: Principal, *, here: bool = False, patient: bool = False
    ) -> Future[int]:
        """Take an event; its sequence number, once it is durable. `here`: who calls waits for that anyway. `patient`:
        nobody does, who calls only wants to know should it fail.

        Raises RefusedError (may not be sent, is too large, or too much is pending) and BrokerClosedError at once;
        the future raises BrokerFullError, and then nothing was stored.
        """
        early = HandingOut(self._admitted((event,), principal), self._hand_out, self._take_back)

        def work(transaction: Transaction) -> int:
            ((sequence, (stamped, routes)),) = early.accepted
            store_event(transaction, sequence, stamped, routes)
            return sequence

        return self._writer.submit(
            work, lambda _: self._dispatcher.announce(early.deliveries),
            partial(self._accounts.release, str(principal)), early, here=here or patient, patient=patient,
        )  # fmt: skip

    def accept_many(
        self, events: Iterable[CloudEvent], principal: Principal, *, here: bool = False
    ) -> Future[tuple[int, ...]]:
        """Take all of these events or none. `here` and what it raises: as `accept`."""
        incoming = self._admitted(tuple(events), principal)
        early = HandingOut(incoming, self._hand_out, self._take_back)

        def work(transaction: Transaction) -> tuple[int, ...]:
            for sequence, (stamped, routes) in early.accepted:
                store_event(transaction, sequence, stamped, routes)
            return tuple(sequence for sequence, _ in early.accepted)

        return self._writer.submit(
            work, lambda _: self._dispatcher.announce(early.deliveries),
            partial(self._accounts.release, str(principal), len(incoming)), early, here=here,
        )  # fmt: skip

    def _hand_out(self, accepted: list[Accepted]) -> list[Delivery]:
        deliveries = self._deliveries(accepted)
        self._dispatcher.add_early(deliveries)
        return deliveries

    def _take_back(self, accepted: list[Accepted], deliveries: list[Delivery]) -> None:
        self._withdraw(accepted, deliveries)
        for _, (stamped, _) in accepted:
            self._accounts.count(stamped.principal, 1)  # as reserved before, for whoever releases that now

    def _admitted(self, events: tuple[CloudEvent, ...], principal: Principal) -> list[Incoming]:
        if not self._running:
            raise BrokerClosedError(_STOPPING)
        now = self._clock()
        at = micros(now)
        incoming: list[Incoming] = []
        for event in events:
            self._admission.check(principal, event, now)
            stamped = stamp(event, principal, at)
            incoming.append((stamped, self._routes.matching(stamped.event)))
        self._accounts.reserve(principal, len(events))
        return incoming

    def _deliveries(self, accepted: list[Accepted]) -> list[Delivery]:
        """Deliveries of events that are now durable and counted as pending."""
        deliveries = []
        for sequence, (stamped, routes) in accepted:
            principal = str(stamped.principal)
            if not routes:
                self._accounts.release(principal)
                continue
            self._backlog.add(sequence, len(routes), principal, stamped.at)
            size = len(stamped.event.data or b"") + len(stamped.extensions) + _OVERHEAD
            kept = stamped.event if self._backlog.keep(sequence, size) else None
            deliveries += [self._delivery(sequence, route, stamped, kept) for route in routes]
        return deliveries

    def _delivery(self, sequence: int, route: str, stamped: Stamped, event: CloudEvent | None) -> Delivery:
        return Delivery(
            sequence=sequence, route=route, key=stamped.event.extensions["partitionkey"],
            group=self._group(route, stamped.event.type, stamped.event.subject), ttl=stamped.ttl, event=event,
            proves=(route, stamped.event.type) in self._proves,
        )  # fmt: skip

    def _group(self, route: str, type_: str, subject: str | None) -> Group | None:
        return (type_, subject) if subject and (route, type_) not in self._each else None

    # --- Replies ------------------------------------------------------------------------------------------------

    def _prepare_replies(
        self, route: Route, ttl: int, cause: CloudEvent, replies: tuple[CloudEvent, ...]
    ) -> list[Incoming]:
        now = self._clock()
        prepared: list[Incoming] = []
        for reply in replies:
            self._admission.check(route.actor, reply, now)
            stamped = stamp_reply(reply, route.actor, micros(now), cause, ttl)
            prepared.append((stamped, self._routes.matching(stamped.event)))
        return prepared

    def _replies_accepted(self, accepted: list[Accepted]) -> list[Delivery]:
        for _, (stamped, _) in accepted:
            self._accounts.count(stamped.principal, 1)
        return self._deliveries(accepted)

    def _withdraw(self, accepted: list[Accepted], deliveries: list[Delivery]) -> None:
        """What was handed out could not be stored: it is pending no more."""
        self._dispatcher.forget(deliveries)
        for delivery in deliveries:
            self._backlog.over(delivery.sequence)

    # --- Taking up again ----------------------------------------------------------------------------------------

    def _resumed(self, row: Unfinished) -> Delivery:
        left = (row.due - micros(self._clock())) / 1_000_000 if row.due is not None else 0.0
        return Delivery(
            sequence=row.event, route=row.route, key=row.subject or row.id,
            group=self._group(row.route, row.type, row.subject),
            ttl=row.ttl, attempts=row.attempts,
            delay=min(max(left, 0.0), self._cap),  # bounded, should the clock have been moved back
        )  # fmt: skip

    def _replayed(self, event: int, route: str) -> None:
        with self._store.reading() as sql:
            row = next(unfinished(sql, event, route))
        if self._backlog.add(event, 1, row.principal, row.accepted):
            self._accounts.count(_principal(row.principal), 1)
        self._dispatcher.add([self._resumed(row)])

    # --- Operation ----------------------------------------------------------------------------------------------

    def replace(self, triggers: Iterable[Trigger], subscribers: Mapping[str, Subscriber]) -> None:
        """Use another configuration from now on. Pending deliveries of Triggers that are gone are kept until a
        Trigger of that name comes back. Raises TriggerError, and then nothing changed."""
        routes = Routes(triggers, subscribers)
        self._dispatcher.configure(routes.by_name)
        self._routes = routes

    def abandon(self, name: str, by: Principal) -> None:
        """Make dead letters of what is pending for a Trigger that is gone for good, on record as done by `by`.

        Raises TriggerError for one that is configured.
        """
        routes = self._routes.by_name
        if name in routes:
            raise TriggerError(f"Trigger {name} is configured; remove it first, or wait for its deliveries")
        self._dispatcher.configure({**routes, name: abandoned(name, by)})

    def nudge(self) -> None:
        """Ask subscribers that were not ready again at once."""
        self._dispatcher.nudge()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until all that was accepted is delivered or given up; False if it is not within `timeout` seconds."""
        end = time.monotonic() + timeout
        try:
            self._writer.submit(lambda _: None).result(timeout)  # what is queued before is with the dispatcher then
        except TimeoutError:
            return False
        return self._dispatcher.wait_idle(end - time.monotonic())

    def health(self) -> Health:
        oldest = self._backlog.oldest()
        return Health(
            running=self._running and not self._writer.closed,
            pending=len(self._backlog),
            stalled_for=max(0.0, self._clock() - oldest / 1_000_000) if oldest is not None else 0.0,
            held=self._dispatcher.held(),
            dead_letters=self.dead_letters.count(),
            full=self._writer.full,
        )

    def drain(self, timeout: float) -> bool:
        """Accept nothing more, let running attempts end and be recorded, and close.

        False if some took longer than `timeout` seconds: those are made again after the next start, as is
        everything that was waiting.
        """
        if self._closed:
            return True
        self._running, self._closed = False, True
        done = self._dispatcher.stop(timeout)
        self._timers.stop()
        self._writer.close()
        self._store.close()
        return done


def _principal(text: str) -> Principal:
    kind, _, name = text.partition(":")
    return Principal(kind, name)  # type: ignore[arg-type]  # written by str(Principal)
