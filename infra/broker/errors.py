"""What the broker may raise. Messages name references, limits and next actions, never event data."""


class BrokerError(Exception):
    """Base of the broker's failures."""


class BrokerFullError(BrokerError):
    """Nothing can be stored now: the disk is full or failing. Nothing was lost; retry after `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class BrokerClosedError(BrokerError):
    """The broker is stopping or stopped; send the event again when it is back."""


class StoreError(BrokerError):
    """The database file cannot be used: newer schema, another process holds it, not ours, damaged."""


class TriggerError(BrokerError):
    """A Trigger or Broker document cannot be loaded; the message names the document and the field."""


class DeadLetterError(BrokerError):
    """A dead letter cannot be replayed or dropped: unknown, closed already, or without a Trigger to go to."""


class UnknownDeadLetterError(DeadLetterError):
    """There is no dead letter of this number."""

    def __init__(self, n: int) -> None:
        super().__init__(f"there is no dead letter {n}; `lockstep dead-letters list` shows which there are")


class RefusedError(BrokerError):
    """The ingress does not take this event. `status` is the HTTP status that says so (reference, events.md 1)."""

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
