"""One attempt at a delivery: find the event, ask the subscriber, judge the answer, look at the replies."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from events.cloudevent import CloudEvent
from infra.broker.clock import Clock, micros
from infra.broker.delivery import Verdict, judge, pause, retryable
from infra.broker.errors import RefusedError
from infra.broker.intake import Incoming, with_error
from infra.broker.lanes import Delivery
from infra.broker.routes import Route
from infra.broker.rows import Outcome, State, load_event
from infra.broker.settler import error_data, tidy
from infra.broker.store import Store
from infra.broker.subscriber import Answer

Prepare = Callable[[Route, int, CloudEvent, tuple[CloudEvent, ...]], list[Incoming]]


@dataclass(frozen=True, slots=True)
class Attempted:
    """What an attempt came to. `pause` is seconds until the next; `transient` failures may clear by themselves."""

    verdict: Verdict
    outcome: Outcome
    event: CloudEvent | None
    replies: list[Incoming] = field(default_factory=list)
    pause: float = 0.0
    transient: bool = False


class Attempter:
    """Makes attempts. `prepare` admits and stamps replies; it raises RefusedError for what may not be said."""

    def __init__(self, store: Store, prepare: Prepare, *, clock: Clock, cap: float) -> None:
        self._store, self._prepare, self._clock, self._cap = store, prepare, clock, cap
        self._jitter = random.Random()  # noqa: S311 - spreads retries, hides nothing

    def now(self) -> int:
        return micros(self._clock())

    def attempt(self, route: Route, delivery: Delivery) -> Attempted:
        """Ask the subscriber once. Never raises what a subscriber raises."""
        event = self._event(route, delivery)
        if event is None:
            reason = "the event is no longer stored"
            return Attempted(Verdict.GIVE_UP, self._outcome(delivery.attempts, 0.0, Answer(410, reason=reason)), None)
        started = time.perf_counter()
        answer = _ask(route, event)
        took = time.perf_counter() - started
        failures = delivery.attempts + 1
        verdict = judge(answer, failures, route.delivery)
        replies: list[Incoming] = []
        if verdict is Verdict.COMPLETE and answer.events and route.sink_of is None:
            try:
                replies = self._prepare(route, delivery.ttl, event, answer.events)
            except RefusedError as error:
                verdict = Verdict.GIVE_UP
                answer = Answer(error.status, reason=f"its reply was refused: {error.reason}")
        wait = (
            pause(answer, failures, route.delivery, cap=self._cap, jitter=self._jitter.random())
            if verdict is Verdict.RETRY
            else 0.0
        )
        transient = verdict is not Verdict.COMPLETE and retryable(answer.status)
        return Attempted(verdict, self._outcome(failures, took, answer), event, replies, wait, transient)

    def _event(self, route: Route, delivery: Delivery) -> CloudEvent | None:
        if delivery.event is not None:
            return delivery.event
        with self._store.reading() as sql:
            event = load_event(sql, delivery.sequence)
            if event is None or route.sink_of is None:
                return event
            destination, code, reason = sql.execute(
                "SELECT destination, code, reason FROM dead_letter WHERE event = ? AND route = ?"
                " ORDER BY n DESC LIMIT 1",
                (delivery.sequence, route.sink_of),
            ).fetchone()
        return with_error(event, destination, code, error_data(reason))

    def _outcome(self, attempts: int, took: float, answer: Answer) -> Outcome:
        return Outcome(State.DELIVERED, self.now(), attempts, micros(took), answer.status, tidy(answer.reason) or None)


def _ask(route: Route, event: CloudEvent) -> Answer:
    try:
        return route.subscriber.deliver(event, route.delivery.timeout)
    except Exception as error:  # noqa: BLE001 - a subscriber's defect is a failed attempt; its text may quote data
        return Answer(500, reason=f"{type(error).__name__} in the subscriber")
