"""`Beside` in threads: what a step has to wait for anyway, it waits for once."""

from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
_THREADS = 32  # of all steps of a process; what finds none waits, which nothing of it may do for other such work


class Threads:
    """Threads that all steps of a process share, started when they are first needed."""

    @contextmanager
    def __call__(self, work: Callable[[], T]) -> Iterator[Callable[[], T]]:
        begun = self._pool.submit(work)
        try:
            yield begun.result
        finally:
            wait((begun,))

    @cached_property
    def _pool(self) -> "ThreadPoolExecutor":
        from concurrent.futures import ThreadPoolExecutor  # here: a process of one step may never need it

        return ThreadPoolExecutor(_THREADS, thread_name_prefix="beside")
