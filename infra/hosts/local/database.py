"""`ROOT/state/local.db`: what this installation knows beside the stores. Losing it costs a sweep, never a secret."""

import sqlite3
import threading
from pathlib import Path

SCHEMA_VERSION = 1
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


class LocalDatabaseError(RuntimeError):
    """The file is of a newer Lockstep or damaged; the message says what to do."""


class LocalDatabase:
    """One SQLite file, one connection per thread, every write durable when it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        path.touch(mode=0o600)
        self._migrate()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode."""
        found: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, isolation_level=None, timeout=10.0, check_same_thread=False)
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=FULL")
            self._threads.connection = found
            with self._guard:
                self._all.append(found)
        return found

    def close(self) -> None:
        """Close every thread's connection; call when no thread uses it any more."""
        with self._guard:
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _migrate(self) -> None:
        connection = self.connection()
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError:
            raise LocalDatabaseError(
                f"{self._path} is damaged; remove it, and a sweep finds everything again"
            ) from None
        if version > SCHEMA_VERSION:
            raise LocalDatabaseError(f"{self._path} was written by a newer Lockstep; run that one, or remove the file")
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
