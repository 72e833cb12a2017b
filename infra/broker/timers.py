"""Things to do later: one thread and a heap, on the monotonic clock."""

import heapq
import time
from collections.abc import Callable
from itertools import count
from threading import Condition, Thread


class Timers:
    """Calls each `action` once, about when it is due, in its own thread; actions must be short."""

    def __init__(self, name: str = "broker-timers") -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._count = count()
        self._changed = Condition()
        self._stopped = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def after(self, delay: float, action: Callable[[], object]) -> None:
        """Call `action` in `delay` seconds. After `stop`, nothing is called any more."""
        entry = (time.monotonic() + delay, next(self._count), action)
        with self._changed:
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:
                self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            action = self._next()
            if action is None:
                return
            action()

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._stopped:
                pause = self._heap[0][0] - time.monotonic() if self._heap else None
                if pause is not None and pause <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(pause)
        return None
