"""Whether what steps depend on serves, without asking before each piece of work."""

from collections.abc import Callable


class Presumption:
    """Goes by the last answer while that was a good one, until somebody failed and came to doubt it.

    To ask costs a change a request; to presume wrongly costs one attempt that fails, is not counted, and is held.
    """

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ask = ready
        self._good = False

    def ready(self) -> bool:
        """Whether it served when it was last asked, and nothing has failed since; otherwise it is asked."""
        if not self._good:
            self._good = self._ask()
        return self._good

    def doubt(self) -> None:
        """Something failed, and this may be why: it is asked next time."""
        self._good = False
