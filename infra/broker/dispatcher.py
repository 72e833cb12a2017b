"""Gets events to their subscribers: in order per key, side by side across keys, again until they answer.

Deliveries come here in memory once they are durable; the database is read only at a restart, or for events that
were let go. One lock guards all lanes; subscribers and the database are called without it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Lock

from infra.broker.attempt import Attempted, Attempter
from infra.broker.chaos import Chaos, Dice
from infra.broker.delivery import Verdict
from infra.broker.errors import BrokerClosedError
from infra.broker.handing_out import HandingOut
from infra.broker.intake import Accepted
from infra.broker.lanes import Delivery, Lane, Lanes, LaneState
from infra.broker.routes import Route
from infra.broker.rows import Outcome, State
from infra.broker.settler import Settler, tidy
from infra.broker.timers import Timers
from infra.broker.workers import Post, Workers

_FIRST_PROBE = 0.1  # seconds until a subscriber that is not ready is asked again


@dataclass(slots=True)
class _Desk:
    """Everything of one route. `route` is None while no Trigger of that name is configured: its lanes stay parked."""

    post: Post
    route: Route | None = None
    lanes: Lanes = field(default_factory=Lanes)
    parked: list[Lane] = field(default_factory=list)
    probing: bool = False
    probe_pause: float = _FIRST_PROBE


class Dispatcher:
    """`over(sequence)` is called when a delivery ended, `accepted(...)` when replies are stored, which returns their
    deliveries, and `withdrawn(...)` when they could not be after all; all in the writer's thread."""

    def __init__(
        self,
        settler: Settler,
        timers: Timers,
        attempter: Attempter,
        *,
        over: Callable[[int], object],
        accepted: Callable[[list[Accepted]], list[Delivery]],
        withdrawn: Callable[[list[Accepted], list[Delivery]], object],
        workers: int,
        probe_cap: float,
        chaos: Chaos | None = None,
    ) -> None:
        self._settler, self._timers, self._attempter = settler, timers, attempter
        self._over, self._accepted, self._withdrawn = over, accepted, withdrawn
        self._workers, self._probe_cap = Workers(workers), probe_cap
        self._dice = Dice(chaos) if chaos is not None else None
        self._desks: dict[str, _Desk] = {}
        self._lock = Lock()
        self._quiet = Condition(self._lock)
        self._late: list[list[Delivery]] = []
        self._waiting: dict[tuple[str, str], list[Delivery]] = {}  # by route and key: for what proves to be durable
        self._deliveries = 0
        self._busy = 0
        self._stopping = False

    # --- What the broker asks for -------------------------------------------------------------------------------

    def configure(self, routes: dict[str, Route]) -> None:
        """Use these routes from now on. Deliveries of a route that is gone stay pending until it comes back."""
        with self._lock:
            for name in routes.keys() | self._desks.keys():
                desk = self._desk(name)
                desk.route = routes.get(name)
                if desk.route is not None:
                    self._unpark(desk)

    def add(self, deliveries: list[Delivery]) -> None:
        """Take deliveries that are durable, in the order of their events."""
        with self._lock:
            self._take(deliveries)
            self._announce(deliveries)

    def add_early(self, deliveries: list[Delivery]) -> None:
        """Take deliveries that are becoming durable; then `announce` the same list, or `forget` it."""
        with self._lock:
            # What is not kept in memory can be read only when it is durable; none may pass it meanwhile.
            if self._late or any(delivery.event is None for delivery in deliveries):
                self._late.append(deliveries)
            else:
                self._take([delivery for delivery in deliveries if not self._waits(delivery)])

    def announce(self, deliveries: list[Delivery]) -> None:
        """Deliveries that were taken early are durable."""
        with self._lock:
            self._take(deliveries if self._was_late(deliveries) else self._waited(deliveries))
            self._announce(deliveries)

    def forget(self, deliveries: list[Delivery]) -> None:
        """Deliveries that were taken early will not be durable: those that began are echoes, of which no record is made
        and which are not tried again."""
        with self._lock:
            self._was_late(deliveries)
            self._waited(deliveries)
            for delivery in deliveries:
                delivery.echo = True

    def nudge(self) -> None:
        """Ask subscribers that were not ready at once (an authority was unsealed)."""
        with self._lock:
            for desk in self._desks.values():
                if desk.route is not None:
                    self._unpark(desk)

    def stop(self, timeout: float) -> bool:
        """Begin nothing new; wait for what is being attempted. False if that took longer than `timeout` seconds."""
        with self._lock:
            self._stopping = True
            done = self._quiet.wait_for(lambda: self._busy == 0, timeout)
            self._workers.stop()
        return done

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is left to deliver. False if there still is after `timeout` seconds."""
        with self._lock:
            return self._quiet.wait_for(lambda: self._deliveries == 0, timeout)

    def held(self) -> dict[str, int]:
        """Deliveries per route that wait for their subscriber to become ready, or for their Trigger to come back."""
        with self._lock:
            return {
                name: sum(len(lane.queue) for lane in desk.parked) for name, desk in self._desks.items() if desk.parked
            }

    # --- Lanes; all called with the lock held -------------------------------------------------------------------

    def _desk(self, name: str) -> _Desk:
        desk = self._desks.get(name)
        if desk is None:
            desk = self._desks[name] = _Desk(self._workers.post())
        return desk

    def _take(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            desk = self._desk(delivery.route)
            ordered = desk.route is not None and desk.route.ordered and self._dice is None
            self._deliveries += 1
            for lane in desk.lanes.add(delivery, ordered):
                self._start(desk, lane)

    def _was_late(self, deliveries: list[Delivery]) -> bool:
        before = len(self._late)
        self._late = [others for others in self._late if others is not deliveries]
        return len(self._late) < before

    def _waits(self, delivery: Delivery) -> bool:
        """Whether a delivery waits until it is durable; those that come after it in its lane do not pass it."""
        lane = (delivery.route, delivery.key)
        if not delivery.proves and lane not in self._waiting:
            return False
        self._waiting.setdefault(lane, []).append(delivery)
        return True

    def _waited(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Those of these that wait, as they do no more."""
        if not self._waiting:
            return []
        waited = []
        for delivery in deliveries:
            lane = (delivery.route, delivery.key)
            others = [one for one in self._waiting.get(lane, ()) if one is not delivery]
            if len(others) == len(self._waiting.get(lane, ())):
                continue
            waited.append(delivery)
            if others:
                self._waiting[lane] = others
            else:
                del self._waiting[lane]
        return waited

    def _announce(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            desk = self._desk(delivery.route)
            for lane in desk.lanes.announce(delivery):
                self._start(desk, lane)

    def _start(self, desk: _Desk, lane: Lane) -> None:
        delay = lane.head.delay if self._dice is None else self._dice.delay()
        lane.head.delay = 0.0
        if delay > 0:
            self._wait(desk, lane, delay)
        else:
            self._run(desk, lane)

    def _run(self, desk: _Desk, lane: Lane) -> None:
        desk.lanes.start(lane)
        if desk.route is None:
            self._park(desk, lane)
        else:
            desk.post.put(partial(self._work, desk, lane, lane.turn))

    def _wait(self, desk: _Desk, lane: Lane, delay: float) -> None:
        turn = desk.lanes.wait(lane)
        self._timers.after(delay, partial(self._wake, desk, lane, turn))

    def _park(self, desk: _Desk, lane: Lane) -> None:
        lane.enter(LaneState.PARKED)
        desk.parked.append(lane)
        if desk.route is not None and not desk.probing:
            self._probe_later(desk)

    def _probe_later(self, desk: _Desk) -> None:
        desk.probing = True
        self._timers.after(desk.probe_pause, partial(desk.post.put, partial(self._probe, desk)))
        desk.probe_pause = min(desk.probe_pause * 2, self._probe_cap)  # until a delivery succeeds

    def _unpark(self, desk: _Desk) -> None:
        lanes, desk.parked = desk.parked, []
        for lane in lanes:
            self._run(desk, lane)

    def _finish(self, desk: _Desk, lane: Lane, gone: list[Delivery], more: list[Delivery]) -> None:
        self._take(more)
        self._announce(more)
        self._deliveries -= len(gone)
        desk.probe_pause = _FIRST_PROBE
        following = desk.lanes.remove(lane, gone)
        if following is not None:
            self._start(desk, following)

    def _settled(self) -> None:
        self._busy -= 1
        if self._busy == 0 or self._deliveries == 0:
            self._quiet.notify_all()

    # --- Steps of one delivery ----------------------------------------------------------------------------------

    def _wake(self, desk: _Desk, lane: Lane, turn: int) -> None:
        with self._lock:
            if lane.turn == turn and not self._stopping:
                self._run(desk, lane)

    def _probe(self, desk: _Desk) -> None:
        route = desk.route
        ready = route is not None and route.ready()
        with self._lock:
            desk.probing = False
            if self._stopping or not desk.parked or route is None:
                return
            if ready:
                self._unpark(desk)
            else:
                self._probe_later(desk)

    def _work(self, desk: _Desk, lane: Lane, turn: int) -> None:
        """What a worker does: one attempt at the first delivery of a lane."""
        with self._lock:
            if self._stopping or lane.turn != turn:
                return
            route, delivery = desk.route, lane.head
            if route is None:
                self._park(desk, lane)
                return
            lane.enter(LaneState.BUSY)
            self._busy += 1
            overtaken = delivery.tried and desk.lanes.overtaken(delivery)
        if overtaken:
            self._supersede(desk, lane)
        elif not route.ready():
            self._hold(desk, lane, Outcome(State.HELD, self._attempter.now(), delivery.attempts))
        else:
            self._attempt(desk, lane, route)

    def _attempt(self, desk: _Desk, lane: Lane, route: Route) -> None:
        try:
            if self._dice is not None and self._dice.loses_reply():
                self._attempter.attempt(route, lane.head)
            attempted = self._attempter.attempt(route, lane.head)
        except BrokerClosedError:
            return  # it outlasted the drain, and is made again after the next start
        self._settle(desk, lane, route, attempted)

    def _settle(self, desk: _Desk, lane: Lane, route: Route, attempted: Attempted) -> None:
        delivery, outcome = lane.head, attempted.outcome
        if delivery.echo or attempted.verdict is Verdict.COMPLETE:
            self._complete(desk, lane, route, attempted)
        elif attempted.transient and not route.ready():
            # The attempt does not count: an authority that stays sealed must not use up the budget.
            self._hold(desk, lane, _replaced(outcome, State.HELD, delivery.attempts))
        elif attempted.verdict is Verdict.GIVE_UP:
            self._give_up(desk, lane, route, attempted)
        else:
            self._postpone(desk, lane, attempted)

    def _complete(self, desk: _Desk, lane: Lane, route: Route, attempted: Attempted) -> None:
        delivery = lane.head
        replies = attempted.replies if attempted.verdict is Verdict.COMPLETE else []

        early = None
        if replies:
            early = HandingOut(
                replies, self._hand_out, self._withdrawn, caused=True, pressed=lambda: self._workers.pressed
            )

        def then() -> None:
            if early is not None:
                self.announce(early.deliveries)
            repeats = self._dice is not None and not delivery.echo and self._dice.repeats()
            self._end(desk, lane, [delivery], [_echo(delivery)] if repeats else [])

        def broken(error: Exception) -> None:
            reason = f"its replies cannot be stored ({type(error).__name__})"
            outcome = Outcome(State.DEAD_LETTERED, self._attempter.now(), delivery.attempts, status=500, reason=reason)
            self._give_up(desk, lane, route, Attempted(Verdict.GIVE_UP, outcome, attempted.event))

        with self._workers.going_on():
            self._settler.completed(delivery, attempted.outcome, then, broken, replies=early)

    def _hand_out(self, accepted: list[Accepted]) -> list[Delivery]:
        deliveries = self._accepted(accepted)
        self.add_early(deliveries)
        return deliveries

    def _give_up(self, desk: _Desk, lane: Lane, route: Route, attempted: Attempted) -> None:
        delivery = lane.head
        outcome = _replaced(attempted.outcome, State.DEAD_LETTERED, attempted.outcome.attempts)
        if route.sink_of is not None or attempted.event is None:
            self._settler.abandoned(delivery, outcome, lambda: self._end(desk, lane, [delivery], []))
            return

        def then() -> None:
            more = [] if route.sink is None or delivery.echo else [_for_sink(delivery, route.sink)]
            self._end(desk, lane, [delivery], more, passed_on=bool(more))

        self._settler.dead_lettered(route, delivery, attempted.event, outcome, then)

    def _postpone(self, desk: _Desk, lane: Lane, attempted: Attempted) -> None:
        delivery = lane.head
        delivery.attempts, delivery.held = attempted.outcome.attempts, False

        def then() -> None:
            with self._lock:
                self._settled()
                if desk.lanes.overtaken(delivery):
                    self._run(desk, lane)
                else:
                    self._wait(desk, lane, attempted.pause)

        due = attempted.outcome.at + int(attempted.pause * 1_000_000)
        self._settler.postponed(delivery, _replaced(attempted.outcome, State.RETRIED, delivery.attempts), due, then)

    def _hold(self, desk: _Desk, lane: Lane, outcome: Outcome) -> None:
        delivery = lane.head

        def then() -> None:
            with self._lock:
                self._settled()
                self._park(desk, lane)

        if delivery.held or delivery.echo:
            then()  # recorded when it began; echoes leave no record
            return
        delivery.held = True
        self._settler.postponed(delivery, outcome, None, then)

    def _supersede(self, desk: _Desk, lane: Lane) -> None:
        with self._lock:
            gone = desk.lanes.superseded(lane)
        self._settler.superseded(gone, self._attempter.now(), lambda: self._end(desk, lane, gone, []))

    def _end(
        self, desk: _Desk, lane: Lane, gone: list[Delivery], more: list[Delivery], *, passed_on: bool = False
    ) -> None:
        """Deliveries ended, durably: the next of the lane follows. Called in the writer's thread."""
        if not passed_on:  # a dead letter on its way to a sink keeps its event pending
            for delivery in gone:
                if not delivery.echo:
                    self._over(delivery.sequence)
        with self._lock:
            self._finish(desk, lane, gone, more)
            self._settled()


def _replaced(outcome: Outcome, state: State, attempts: int) -> Outcome:
    return Outcome(state, outcome.at, attempts, outcome.took, outcome.status, tidy(outcome.reason or "") or None)


def _echo(delivery: Delivery) -> Delivery:
    return Delivery(
        delivery.sequence, delivery.route, delivery.key, None, delivery.ttl, event=delivery.event, echo=True
    )


def _for_sink(delivery: Delivery, sink: str) -> Delivery:
    return Delivery(delivery.sequence, sink, delivery.key, None, delivery.ttl)
