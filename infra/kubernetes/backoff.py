"""How long to wait before asking a server again that did not answer as it should."""

import random
from collections.abc import Callable

FIRST = 0.1  # seconds
LONGEST = 30.0


class Backoff:
    """Doubles with every failure and begins anew after a success; jittered, so that many do not come back at once."""

    def __init__(
        self, first: float = FIRST, longest: float = LONGEST, draw: Callable[[], float] = random.random
    ) -> None:
        self._first = first
        self._longest = longest
        self._draw = draw
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many there were since the last success."""
        return self._failures

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, wanted: float | None = None) -> float:
        """Seconds to wait now: between half and the whole of what is due, and never less than the server `wanted`."""
        due = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(due * (0.5 + self._draw() / 2), min(wanted or 0.0, self._longest))
