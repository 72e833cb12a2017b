"""Removing replaced contents a moment after they were replaced: no consumer waits for it, and a burst shares it."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from events.references import SecretRef


class Tidier:
    """Calls `clean` once per Secret named since the last time, `pause` seconds later, in a thread of its own.

    The thread is started with the first Secret, and kept: to start one costs as much as what it is to save. What a
    crash leaves is removed by the next start or write.
    """

    def __init__(self, clean: Callable[[SecretRef], object], pause: float) -> None:
        self._clean = clean
        self._pause = pause
        self._named: SimpleQueue[SecretRef | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def soon(self, ref: SecretRef) -> None:
        """Clean this Secret in a moment."""
        self._named.put(ref)
        if self._thread is None:
            with self._guard:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="tidier", daemon=True)
                    self._thread.start()

    def finish(self) -> None:
        """Clean what was named, and end the thread; a Secret that is named later has one again."""
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._named.put(None)
                thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            named = [self._named.get()]
            time.sleep(self._pause)
            try:
                while True:
                    named.append(self._named.get_nowait())
            except Empty:
                pass
            going_on = None not in named
            for ref in dict.fromkeys(named):
                if ref is not None:
                    self._clean(ref)
