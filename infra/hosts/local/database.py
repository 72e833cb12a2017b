"""`ROOT/state/local.db`: what this installation knows beside the stores. Losing it costs a sweep, never a secret."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from functions._failures import Unavailable
from infra.hosts.local.changes import Changes, ChangesFile

SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE publication (
    path TEXT PRIMARY KEY, mount TEXT NOT NULL, manifest TEXT NOT NULL, generation TEXT NOT NULL,
    number INTEGER NOT NULL, created TEXT NOT NULL, id TEXT NOT NULL, sources TEXT NOT NULL
) STRICT;
CREATE TABLE suspension (
    scope TEXT PRIMARY KEY, reason TEXT NOT NULL, by TEXT NOT NULL, since TEXT NOT NULL
) STRICT;
CREATE TABLE manifest (
    ref TEXT PRIMARY KEY, generation TEXT NOT NULL, secrets TEXT NOT NULL, paths TEXT NOT NULL
) STRICT;
CREATE TABLE serial (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""
_SINCE_2 = "CREATE TABLE retiring (mount TEXT, path TEXT, PRIMARY KEY (mount, path)) STRICT"
COUNT = "INSERT INTO serial (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


class LocalDatabaseError(RuntimeError):
    """The file is of a newer Lockstep or damaged; the message says what to do."""


_RACED = 50  # times that an opening is tried while others open the same new file
_RACE_PAUSE = 0.02  # seconds between


class LocalDatabase:
    """One SQLite file, one connection per thread. Processes may share it.

    A write survives the end of the process when it returns; unless it says otherwise, that of the machine too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._changes = ChangesFile(path.with_suffix(".changes"), ("publication", "suspension"))
        except OSError as error:
            where = error.filename or path
            raise LocalDatabaseError(f"{where} cannot be opened ({error.strerror}); see who owns it") from None
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode."""
        found: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, isolation_level=None, timeout=10.0, check_same_thread=False)
            with self._guard:
                self._all.append(found)
            _write_ahead(found)
            self._threads.connection = found
        return found

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds. Raises Unavailable where the file cannot be read now."""
        try:
            return self.connection().execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from None

    def changes(self, table: str) -> Changes:
        """How often `table` was changed; whoever writes to it names it to `writing`."""
        return self._changes.of(table)

    @contextmanager
    def writing(self, *, synced: bool = True, changes: Changes | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when the block is left, undone where it raises, or the disk is full.

        Without `synced` the loss of power may undo it, with all that came after. `changes` of the table that is
        written to. Raises Unavailable where nothing can be written now.
        """
        try:
            connection = self.connection()
            self._synchronise(connection, synced=synced)
            connection.execute("BEGIN IMMEDIATE")
            with changes.changing() if changes else nullcontext():
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:  # not after a commit, nor after an error that SQLite undid by itself
                        connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from None

    def _synchronise(self, connection: sqlite3.Connection, *, synced: bool) -> None:
        if getattr(self._threads, "synced", None) is not synced:
            self._threads.synced = None  # nothing is known of it until it is set
            connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            self._threads.synced = synced

    def close(self) -> None:
        """Close every thread's connection; call when no thread uses it any more."""
        with self._guard:
            for connection in self._all:
                connection.close()
            self._all.clear()
            self._changes.close()

    def _unavailable(self, error: sqlite3.OperationalError) -> Unavailable:
        return Unavailable("local database", f"{self._path} cannot be used now ({error}); see the disk's free space")

    def _migrate(self) -> None:
        try:
            connection = self.connection()
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise LocalDatabaseError(
                    f"{self._path} was written by a newer Lockstep; run that one, or remove the file"
                )
            if version < SCHEMA_VERSION:
                self._create()
        except sqlite3.OperationalError as error:
            raise LocalDatabaseError(f"{self._path} cannot be opened ({error}); see the disk and who owns it") from None
        except sqlite3.DatabaseError:
            raise LocalDatabaseError(
                f"{self._path} is damaged; remove it, and a sweep finds everything again"
            ) from None

    def _create(self) -> None:
        with self.writing() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version >= SCHEMA_VERSION:
                return  # another process was faster
            for statement in [*(_SCHEMA.split(";") if version == 0 else ()), _SINCE_2]:
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to write-ahead logging. SQLite does not wait for others here, whatever its timeout."""
    for left in range(_RACED, -1, -1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or left == 0:
                raise
            time.sleep(_RACE_PAUSE)
        else:
            return
