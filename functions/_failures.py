"""The two ways for a step to fail, and what the ports raise (DESIGN, principle 7).

A host maps them to status codes; nothing else decides. Messages name references and next actions, never values.
"""

import re

# What no event, log line or terminal takes as text: control characters, those that reorder a line, half a character.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


class StepFailure(Exception):
    """Base of what a step may raise. `reason` is one printable line, whatever a store or a file name put into it."""

    def __init__(self, reason: str) -> None:
        self.reason = _UNPRINTABLE.sub(" ", reason).strip()
        super().__init__(self.reason)


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


class Denied(Unavailable):
    """A dependency serves, and refuses this identity this one thing. Whoever looks at many things goes on with the
    others: somebody has to allow this one, which may take days. Raised by adapters."""


class Conflict(StepFailure):
    """A compare-and-set found another state than the one read. Raised by adapters; a step reads again or retries."""
