"""One after another within one process, for documents that many change at the same moment.

Nothing is right because of it: other processes have turns of their own, and compare-and-set decides. It saves what
those who lose a race would do for nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

PATIENCE = 30.0  # seconds; whoever waited longer goes on beside the other


@dataclass(slots=True)
class Turn:
    """One name's turn. `left` is what whoever had it before left for the next, if it is kept at all."""

    left: Any = None
    lock: Lock = field(default_factory=Lock)
    wanted: int = 0


class Turns:
    """Turns by name, shared by all steps of a process."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._turns: dict[str, Turn] = {}
        self._guard = Lock()

    def names(self) -> tuple[str, ...]:
        """Those that somebody wants, or that something was left for, ordered."""
        with self._guard:
            return tuple(sorted(self._turns))

    @contextmanager
    def of(self, name: str) -> Iterator[Turn]:
        """Wait for the turn. Whoever does not get it in time has one of its own, in which nothing was left."""
        with self._guard:
            turn = self._turns.setdefault(name, Turn())
            turn.wanted += 1
        got = turn.lock.acquire(timeout=self._patience)
        try:
            yield turn if got else Turn()
        finally:
            if got:
                turn.lock.release()
            with self._guard:
                turn.wanted -= 1
                if not turn.wanted and turn.left is None:
                    self._turns.pop(name, None)
