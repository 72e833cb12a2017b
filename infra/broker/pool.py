"""The workers of one route. Each route has its own, so that a slow subscriber holds up no other."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

Task = Callable[[], object]


class Pool:
    """Up to `size` threads, started as they are needed."""

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._idle = 0
        self._lock = Lock()

    def put(self, task: Task) -> None:
        """Run `task` when a thread is free, in the order of calls."""
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._size:
                self._start()
        self._queue.put(task)

    def stop(self) -> None:
        """End the threads that are idle; those that run a task end after it. Does not wait."""
        with self._lock:
            for _ in self._threads:
                self._queue.put(None)

    def _start(self) -> None:
        thread = Thread(target=self._run, name=f"broker-{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            task = self._queue.get()
            if task is None:
                return
            task()
            with self._lock:
                # Busy queues are taken from without going idle; the count is of threads that nobody has work for.
                if self._queue.empty():
                    self._idle += 1
