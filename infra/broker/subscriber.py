"""Who gets events, and what it answers: the port between the broker and the steps."""

from dataclasses import dataclass
from typing import Protocol

from events.cloudevent import CloudEvent

NETWORK_ERROR = 0  # the status of an answer that never came


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt.

    `status` is an HTTP status, or NETWORK_ERROR. `events` are the replies of a 2xx. `reason` says why it failed
    and never quotes data. `retry_after` is in seconds, as the subscriber asked for.
    """

    status: int
    events: tuple[CloudEvent, ...] = ()
    reason: str = ""
    retry_after: float | None = None


class Subscriber(Protocol):
    """A step, in this process or behind HTTP. Called from several threads at once."""

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        """Handle one event within `timeout` seconds. Must be safe to repeat."""

    def ready(self) -> bool:
        """False while it could only fail (a sealed authority): deliveries are then held. Must be quick."""
