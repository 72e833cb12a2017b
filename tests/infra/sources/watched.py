"""Waiting for what a watch emits, with a deadline and without sleeping for luck."""

import threading
import time
from collections.abc import Callable

from events.secret import SecretChanged, SecretRemoved

DEADLINE = 30.0


Hint = SecretChanged | SecretRemoved


class Emitted:
    """Collects hints from the watch's thread; `until` waits for a condition over them."""

    def __init__(self) -> None:
        self.events: list[Hint] = []
        self._changed = threading.Condition()
        self.fail: Callable[[Hint], None] | None = None

    def __call__(self, event: Hint) -> None:
        if self.fail:
            self.fail(event)
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def until(self, holds: Callable[[list[Hint]], bool]) -> list[Hint]:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self.events), DEADLINE), self.events
            return list(self.events)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold"
        time.sleep(0.002)
