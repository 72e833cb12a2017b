"""How often a table was changed, in memory that all processes of this machine share: what was read and has not changed
since need not be read again.

A query costs a change of a secret more than all that is done with its answer. The number is odd while a transaction is
being written, and goes up with each, so nobody goes by what they read before or during one (a sequence lock). It is
kept in a file, whose content matters only to processes that are alive.
"""

import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")
_BYTES = 8
_LAST = 2**64 - 1  # then from 0 again: a file that came back damaged may hold any number
_MOST = 4096  # answers that are remembered


class Changes:
    """The number of one table's changes."""

    def __init__(self, numbers: memoryview, index: int) -> None:
        self._numbers, self._index = numbers, index

    def number(self) -> int | None:
        """None while one is being written, or since a process died at that: what is read then is not remembered."""
        number: int = self._numbers[self._index]
        return None if number & 1 else number

    def writing(self) -> int:
        """The number within `changing`."""
        number: int = self._numbers[self._index]
        return number

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around the rest of a transaction that holds the database's write lock, so that nobody else is here."""
        self._numbers[self._index] = (self._numbers[self._index] + 1 | 1) & _LAST
        try:
            yield
        finally:
            self._numbers[self._index] = self._numbers[self._index] + 1 & _LAST


class ChangesFile:
    """The numbers of some tables, in a file beside their database. Raises OSError."""

    def __init__(self, path: Path, tables: tuple[str, ...]) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, max(os.fstat(handle).st_size, _BYTES * len(tables)))
            self._map = mmap.mmap(handle, _BYTES * len(tables))
        finally:
            os.close(handle)
        self._numbers = memoryview(self._map).cast("Q")
        self._of = {table: Changes(self._numbers, index) for index, table in enumerate(tables)}

    def of(self, table: str) -> Changes:
        return self._of[table]

    def close(self) -> None:
        self._numbers.release()
        self._map.close()


class Remembered(Generic[Key, Found]):
    """Answers of queries about one table, while it stays as it was. Safe to share between threads."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._guard = threading.Lock()
        self._at = -1  # the number that all of `_found` was read at
        self._found: dict[Key, Found] = {}

    def get(self, key: Key, find: Callable[[], Found]) -> Found:
        """The answer to `key`, found if it is not known."""
        at = self._changes.number()
        with self._guard:
            if at == self._at and key in self._found:
                return self._found[key]
        found = find()
        if at is not None:
            with self._guard:
                if at != self._at or len(self._found) >= _MOST:
                    self._at, self._found = at, {}
                self._found[key] = found
        return found

    def replace(self, key: Key, found: Found, written: int) -> None:
        """What the change made of `key` that was `written` here: what is known else stands if nothing came between."""
        with self._guard:
            if self._at == written - 1:
                self._at = written + 1 & _LAST
                self._found[key] = found
