"""The broker's tables. One file holds events, deliveries, dead letters and the ledger, so one commit covers all.

Times are integers, microseconds since the epoch. `seq` numbers come from one counter for everything that the
timeline shows, so that a follower needs one position. A change of the tables raises VERSION and adds a migration.
"""

import sqlite3

from infra.broker.errors import StoreError

VERSION = 1
APPLICATION = 0x4C4B5354  # "LKST": tells our file from any other SQLite file

_TABLES = """
CREATE TABLE event(
  seq INTEGER PRIMARY KEY, accepted INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL,
  subject TEXT, time TEXT, contenttype TEXT, schema TEXT, extensions TEXT NOT NULL, data BLOB,
  correlation TEXT NOT NULL, principal TEXT NOT NULL, ttl INTEGER NOT NULL, repeated INTEGER NOT NULL);
CREATE INDEX event_subject ON event(subject);
CREATE INDEX event_correlation ON event(correlation);

CREATE TABLE delivery(
  event INTEGER NOT NULL, route TEXT NOT NULL, state INTEGER NOT NULL, attempts INTEGER NOT NULL,
  due INTEGER, finished INTEGER, ended INTEGER, took INTEGER, status INTEGER, reason TEXT,
  PRIMARY KEY(event, route)) WITHOUT ROWID;
CREATE INDEX delivery_finished ON delivery(finished) WHERE finished IS NOT NULL;

CREATE TABLE attempt(
  seq INTEGER PRIMARY KEY, event INTEGER NOT NULL, route TEXT NOT NULL, at INTEGER NOT NULL,
  outcome INTEGER NOT NULL, number INTEGER NOT NULL, took INTEGER, status INTEGER, reason TEXT);
CREATE INDEX attempt_event ON attempt(event);

CREATE TABLE dead_letter(
  n INTEGER PRIMARY KEY, event INTEGER NOT NULL, route TEXT NOT NULL, at INTEGER NOT NULL,
  destination TEXT NOT NULL, code INTEGER NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL,
  closed INTEGER, outcome TEXT, closer TEXT);
CREATE INDEX dead_letter_open ON dead_letter(event) WHERE closed IS NULL;

CREATE TABLE ledger(
  n INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL,
  type TEXT NOT NULL, subject TEXT, correlation TEXT NOT NULL, causation TEXT, principal TEXT NOT NULL,
  detail TEXT, digest BLOB NOT NULL, hash BLOB NOT NULL);
CREATE UNIQUE INDEX ledger_identity ON ledger(id, source) WHERE kind = 'accepted';
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE anchor(
  n INTEGER PRIMARY KEY, hash BLOB NOT NULL, signature TEXT NOT NULL, key_version INTEGER NOT NULL,
  authority_version INTEGER NOT NULL, at INTEGER NOT NULL);

CREATE TABLE mark(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in an empty file; check the version of an existing one. Raises StoreError."""
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is not a broker database: {error}; move it away to begin anew") from None
    if version == 0 and application == 0:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise StoreError(f"{path} is a database of something else; give the broker its own file")
        connection.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
        )
        return
    if application != APPLICATION:
        raise StoreError(f"{path} is a database of something else; give the broker its own file")
    if version > VERSION:
        raise StoreError(
            f"{path} has schema version {version}, newer than {VERSION} of this program; run the newer program, "
            "or restore the copy from before the upgrade"
        )
