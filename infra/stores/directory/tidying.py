"""Removing replaced contents a moment after they were replaced: no consumer waits for it, and a burst shares it."""

import threading
from collections.abc import Callable

from events.references import SecretRef


class Tidier:
    """Calls `clean` once per Secret named since the last time, `pause` seconds later, in a thread of its own.

    The thread lives while there is something to clean. What a crash leaves is removed by the next start or write.
    """

    def __init__(self, clean: Callable[[SecretRef], object], pause: float) -> None:
        self._clean = clean
        self._pause = pause
        self._named: dict[SecretRef, None] = {}
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def soon(self, ref: SecretRef) -> None:
        """Clean this Secret in a moment."""
        with self._guard:
            self._named[ref] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tidier", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Wait until nothing is left to clean."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._pause)
            with self._guard:
                named, self._named = tuple(self._named), {}
                if not named:
                    self._thread = None
                    return
            for ref in named:
                self._clean(ref)
