"""A process in the foreground: SIGTERM and SIGINT end it in order, whenever they come."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


class Interrupted(BaseException):
    """Told to stop while it was starting. No Exception, so that nothing on its way takes it for a failure."""


class Signals:
    """What SIGTERM and SIGINT do: at first they interrupt, then whatever `then` was told last."""

    def __init__(self) -> None:
        self._action: Callable[[], object] = self._interrupt

    def then(self, action: Callable[[], object]) -> None:
        """Do this from now on, between any two instructions of the main thread: set a flag, no more."""
        self._action = action

    def ignore(self) -> None:
        """Nothing more: it is stopping already, and a second request makes that no faster."""
        self._action = _nothing

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._action()

    def _interrupt(self) -> None:
        self.ignore()
        raise Interrupted


@contextlib.contextmanager
def handled_signals() -> Iterator[Signals]:
    """Signals in our hands until the block is left; in the main thread only."""
    signals = Signals()
    before = {number: signal.signal(number, signals) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing() -> None:
    """What a signal does while the process stops."""
