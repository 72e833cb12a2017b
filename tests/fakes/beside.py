"""`Beside` without threads: what goes on side by side happens early or late, by turns."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class FakeBeside:
    """Early: before anything else of the block; late: when its result is asked for, or at the end. A real one may be
    either, and what a test goes through is the same each time."""

    def __init__(self) -> None:
        self._early = False

    @contextmanager
    def __call__(self, work: Callable[[], T]) -> Iterator[Callable[[], T]]:
        self._early = not self._early
        once = _Once(work)
        if self._early:
            once.happen()
        try:
            yield once
        except Exception:
            once.happen()  # it is under way, whatever became of the others; not where the process died
            raise
        once.happen()


class _Once(Generic[T]):
    """Work that is done once; called, it gives what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._found: list[T] = []
        self._failed: Exception | None = None

    def __call__(self) -> T:
        self.happen()
        if self._failed is not None:
            raise self._failed
        return self._found[0]

    def happen(self) -> None:
        if self._found or self._failed is not None:
            return
        try:
            self._found.append(self._work())
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            self._failed = error
