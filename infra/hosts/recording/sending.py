"""Dead letters where another broker delivers: replaying one gives its event to that broker again."""

from collections.abc import Callable
from concurrent.futures import Future

from events.cloudevent import CloudEvent
from functions._failures import StepFailure
from infra.broker.dead_letters import DeadLetters
from infra.broker.errors import DeadLetterError
from infra.broker.principal import Principal
from infra.broker.records import DeadLetter

Send = Callable[[CloudEvent], None]
"""Returns when the broker has taken it; raises StepFailure."""
_ERRORS = ("knativeerrordest", "knativeerrorcode", "knativeerrordata")


class SentAgain:
    """Implements infra.hosts.evidence.DeadLetters.

    The broker knows Triggers, and no deliveries: whoever hears of the event's type hears it again, not only the step
    that gave it up. Steps are idempotent by state. An order whose time is over is refused again, as it should be.
    """

    def __init__(self, letters: DeadLetters, send: Send) -> None:
        self._letters, self._send = letters, send

    def list(self, *, include_closed: bool = False, limit: int = 100, after: int = 0) -> tuple[DeadLetter, ...]:
        return self._letters.list(include_closed=include_closed, limit=limit, after=after)

    def count(self) -> int:
        return self._letters.count()

    def show(self, n: int) -> tuple[DeadLetter, CloudEvent]:
        return self._letters.show(n)

    def replay(self, n: int, by: Principal) -> Future[None]:
        """Send its event, then close it: a crash between the two leaves it open, and at worst it is sent once more.

        The future raises DeadLetterError: unknown, closed already, or the broker does not take it.
        """
        try:
            self._send(self._open(n))
        except (DeadLetterError, StepFailure) as failure:
            refused: Future[None] = Future()
            refused.set_exception(failure if isinstance(failure, DeadLetterError) else DeadLetterError(str(failure)))
            return refused
        return self._letters.handed_on(n, by)

    def drop(self, n: int, by: Principal) -> Future[None]:
        return self._letters.drop(n, by)

    def _open(self, n: int) -> CloudEvent:
        letter, event = self._letters.show(n)
        if letter.outcome:
            raise DeadLetterError(f"dead letter {n} was {letter.outcome} by {letter.closer} already")
        return event.with_extensions(**dict.fromkeys(_ERRORS))
