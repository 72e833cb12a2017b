"""Statements that take no longer than they may: a server that hangs, or that the network took away, ends nothing by
itself, and libpq waits for it for ever.

One thread for a connection, and none for each of its statements: starting and joining one took longer than most do.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import dup
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import psycopg


class Watch:
    """Cuts a connection under a statement that takes more than `limit` seconds; a context manager."""

    def __init__(self, connection: psycopg.Connection[Any], limit: float) -> None:
        self._underneath = socket.socket(fileno=dup(connection.fileno()))
        self._limit = limit
        self._ends: float | None = None  # of the statement that runs
        self._over = Event()

    def __enter__(self) -> Self:
        Thread(target=self._run, name="postgres-watch", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Around one statement."""
        self._ends = time.monotonic() + self._limit
        try:
            yield
        finally:
            self._ends = None

    def _run(self) -> None:
        with self._underneath as underneath:
            left = self._limit
            while not self._over.wait(left):
                ends = self._ends
                # One that begins while this sleeps ends after a whole limit at the earliest.
                left = self._limit if ends is None else ends - time.monotonic()
                if left <= 0:
                    with suppress(OSError):  # gone already
                        underneath.shutdown(socket.SHUT_RDWR)
                    return
