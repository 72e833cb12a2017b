"""The two ways for a step to fail, and what the ports raise (DESIGN, principle 7).

A host maps them to status codes; nothing else decides. Messages name references and next actions, never values.
"""


class StepFailure(Exception):
    """Base of what a step may raise."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(StepFailure):
    """Should clear within the delivery budget (minutes). `after` is seconds, None for the broker's own back-off."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Reject(StepFailure):
    """Will not clear by itself: the message tells what to mend."""


class Unavailable(Retry):
    """A dependency is down, sealed, refusing or shedding load. Raised by adapters."""

    def __init__(self, dependency: str, reason: str, after: float | None = None) -> None:
        super().__init__(reason, after)
        self.dependency = dependency


class Conflict(StepFailure):
    """A compare-and-set found another state than the one read. Raised by adapters; a step reads again or retries."""
