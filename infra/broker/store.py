"""The database file: one writer connection, a pool of reading ones, one process at a time."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

from infra.broker.errors import BrokerClosedError, StoreError
from infra.broker.schema import prepare

_STATEMENTS = 256  # kept prepared per connection; more than the broker has


class Store:
    """An open broker database. `connection` belongs to the writer thread alone; others use `reading()`."""

    def __init__(self, path: Path) -> None:
        """Open or create `path` (mode 0600). Raises StoreError: in use, newer schema, not a broker database."""
        self.path = path
        self._lock = _lock(path.with_name(path.name + ".lock"))
        try:
            self.connection = _writing(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._closed = Event()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees what is committed and cannot write. Raises BrokerClosedError."""
        if self._closed.is_set():
            raise BrokerClosedError("the broker is stopped; its database is closed")
        try:
            connection = self._readers.get_nowait()
        except Empty:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only=ON")
        try:
            yield connection
        finally:
            if self._closed.is_set():
                connection.close()
            else:
                self._readers.put(connection)

    def close(self) -> None:
        """Close every connection that is not in use and let another process open the file."""
        self._closed.set()
        while True:
            try:
                self._readers.get_nowait().close()
            except Empty:
                break
        self.connection.close()
        os.close(self._lock)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(
            f"another process uses {path.with_suffix('')}; stop it first, or choose another root"
        ) from None
    return descriptor


def _writing(path: Path) -> sqlite3.Connection:
    try:
        # SQLite gives -wal and -shm the mode of the main file, so it must exist with the right one before.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}; check its directory and owner") from None
    connection = _connect(path)
    try:
        prepare(connection, str(path))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={64 * 1024 * 1024}")
        connection.execute("PRAGMA foreign_keys=OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS, timeout=5.0
    )
