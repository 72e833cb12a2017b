"""Writes down what became of deliveries: one transaction per outcome, tried again while the disk is full."""

import base64
from collections.abc import Callable

from events.cloudevent import CloudEvent
from infra.broker import ledger
from infra.broker.errors import BrokerClosedError, BrokerFullError
from infra.broker.handing_out import HandingOut
from infra.broker.intake import about
from infra.broker.lanes import Delivery
from infra.broker.routes import Route
from infra.broker.rows import Outcome, State, begin, finish, note, postpone, store_event
from infra.broker.timers import Timers
from infra.broker.transaction import Transaction
from infra.broker.writer import Ahead, Writer

MAX_REASON = 400
MAX_ERROR_DATA = 576  # bytes: 768 as base64, the most that Knative's MT broker survives
_FULL_PAUSE = 0.5  # seconds between attempts to write down an outcome on a full disk

_SUPERSEDE = (
    "UPDATE dead_letter SET closed = ?, outcome = 'superseded', closer = 'broker' WHERE closed IS NULL AND route = ?"
    " AND event < ? AND EXISTS (SELECT 1 FROM event e WHERE e.seq = dead_letter.event AND e.type = ? AND e.subject = ?)"
)


class Settler:
    """Every method returns at once, but for `completed`, which may write the outcome itself; `then` is called when the
    outcome is durable, where it was written. For one with replies that is a little later: they come first.

    Until that the delivery counts as under way, and after a crash it is made again.
    """

    def __init__(self, writer: Writer, timers: Timers) -> None:
        self._writer = writer
        self._timers = timers

    def completed(
        self, delivery: Delivery, outcome: Outcome, then: Callable[[], object], broken: Callable[[Exception], object],
        *, replies: HandingOut | None,
    ) -> None:  # fmt: skip
        """End a delivery and accept its replies in the same transaction: no reply is lost between the two."""

        def work(transaction: Transaction) -> None:
            _supersede_dead_letters(transaction, delivery, delivery.route, outcome.at)
            if not delivery.echo:
                finish(transaction, delivery.sequence, delivery.route, outcome, replies.cause if replies else None)
            for sequence, (stamped, routes) in replies.accepted if replies else ():
                store_event(transaction, sequence, stamped, routes)

        self._persist(work, then, broken, replies, here=True, patient=replies is not None)

    def postponed(self, delivery: Delivery, outcome: Outcome, due: int | None, then: Callable[[], object]) -> None:
        """Record a failed attempt, or that the delivery is held."""

        def work(transaction: Transaction) -> None:
            if not delivery.echo:
                postpone(transaction, delivery.sequence, delivery.route, outcome, due)

        self._persist(work, then)

    def superseded(self, deliveries: list[Delivery], at: int, then: Callable[[], object]) -> None:
        """End deliveries that a newer event of the same type and subject overtook."""

        def work(transaction: Transaction) -> None:
            for one in deliveries:
                if one.echo:
                    continue
                outcome = Outcome(State.SUPERSEDED, at, one.attempts, reason="a newer event took its place")
                finish(transaction, one.sequence, one.route, outcome)

        self._persist(work, then)

    def dead_lettered(
        self, route: Route, delivery: Delivery, event: CloudEvent, outcome: Outcome, then: Callable[[], object]
    ) -> None:
        """End a delivery that nothing more is tried for: kept, entered in the ledger, and passed on to the sink."""
        reason = tidy(outcome.reason or "")

        def work(transaction: Transaction) -> None:
            if delivery.echo:
                return
            sequence = note(transaction, delivery.sequence, route.name, outcome)
            finish(transaction, delivery.sequence, route.name, outcome, sequence)
            _supersede_dead_letters(transaction, delivery, route.name, outcome.at)
            transaction.sql.execute(
                "INSERT INTO dead_letter(event, route, at, destination, code, reason, attempts)"
                " VALUES (?,?,?,?,?,?,?)",
                (delivery.sequence, route.name, outcome.at, route.destination, outcome.status, reason,
                 outcome.attempts),
            )  # fmt: skip
            ledger.append(
                transaction, "dead-letter", about(event), at=outcome.at, principal=str(route.actor),
                detail=f"{route.name}: {outcome.status} {reason}",
            )  # fmt: skip
            if route.sink is not None:
                begin(transaction, delivery.sequence, route.sink)

        self._persist(work, then)

    def abandoned(self, delivery: Delivery, outcome: Outcome, then: Callable[[], object]) -> None:
        """End a delivery to a dead-letter sink that failed; the dead letter itself is kept."""

        def work(transaction: Transaction) -> None:
            finish(transaction, delivery.sequence, delivery.route, outcome, note(
                transaction, delivery.sequence, delivery.route, outcome
            ))  # fmt: skip

        self._persist(work, then)

    def _persist(
        self, work: Callable[[Transaction], None], then: Callable[[], object],
        broken: Callable[[Exception], object] | None = None, ahead: Ahead | None = None, *, here: bool = False,
        patient: bool = False,
    ) -> None:  # fmt: skip
        def failed(error: Exception) -> None:
            if isinstance(error, BrokerClosedError):
                return  # a restart makes the delivery again
            if broken is not None and not isinstance(error, BrokerFullError):
                broken(error)
                return
            self._timers.after(_FULL_PAUSE, lambda: self._writer.post(work, written, failed, ahead))

        def written(_: None) -> None:
            then()

        self._writer.post(work, written, failed, ahead, here=here, patient=patient)


def _supersede_dead_letters(transaction: Transaction, delivery: Delivery, route: str, at: int) -> None:
    """Close dead letters of older events of the same type and subject: a step reads the newest state, so to replay
    them could add nothing. Thus there is at most one open dead letter per step and thing, however often it is tried.
    """
    if delivery.group is not None:
        transaction.sql.execute(_SUPERSEDE, (at, route, delivery.sequence, *delivery.group))


def tidy(reason: str) -> str:
    """A reason fit to store and print: one line, short, no control characters."""
    return "".join(c if c.isprintable() else " " for c in reason[:MAX_REASON])


def error_data(reason: str) -> str:
    """A reason as `knativeerrordata`."""
    return base64.b64encode(reason.encode(errors="replace")[:MAX_ERROR_DATA]).decode()
