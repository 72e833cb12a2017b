"""Removing replaced contents a moment after they were replaced: no consumer waits for it, and a burst shares it."""

import threading
from collections import deque
from collections.abc import Callable

from events.references import SecretRef


class Tidier:
    """Calls `clean` once per Secret named since the last time, every `pause` seconds, in a thread of its own.

    The thread is started with the first Secret, and kept: to start one costs as much as what it is to save. It looks by
    itself: to wake it would have it compete with those who go on to the next consumer. What a crash leaves is removed
    by the next start or write.
    """

    def __init__(self, clean: Callable[[SecretRef], object], pause: float) -> None:
        self._clean = clean
        self._pause = pause
        self._named: deque[SecretRef] = deque()
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def soon(self, ref: SecretRef) -> None:
        """Clean this Secret in a moment."""
        self._named.append(ref)
        if self._thread is None:
            with self._guard:
                if self._thread is None:
                    self._ending = threading.Event()
                    self._thread = threading.Thread(target=self._run, args=(self._ending,), name="tidier", daemon=True)
                    self._thread.start()

    def finish(self) -> None:
        """Clean what was named, and end the thread; a Secret that is named later has one again."""
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._ending.set()
                thread.join()

    def _run(self, ending: threading.Event) -> None:
        going_on = True
        while going_on:
            going_on = not ending.wait(self._pause)
            for ref in dict.fromkeys(self._named.popleft() for _ in range(len(self._named))):
                self._clean(ref)
