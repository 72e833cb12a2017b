"""Where a TreeWatch hears of changes: from the kernel, or by looking.

Both say the same: a set of paths, where a path means that it, or anything below it, may have changed.
"""

from pathlib import Path
from typing import Protocol


class Notifications(Protocol):
    """Changes below some roots, at most so many directories deep. Used by one thread, but for `ring`."""

    def wait(self, timeout: float | None) -> frozenset[Path]:
        """The changed paths, after at most `timeout` seconds. Raises OSError when it cannot go on."""

    def ring(self) -> None:
        """End a `wait` now; from any thread."""

    def close(self) -> None: ...
