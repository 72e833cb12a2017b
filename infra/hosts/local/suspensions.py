"""`Suspensions` in the local database: what operators stopped, and why."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.database import COUNT, LocalDatabase

_SERIAL = "suspension"


@dataclass(frozen=True, slots=True)
class Suspension:
    """`scope` is `*`, a namespace, `namespace/name` of a Secret or manifest, or `mount/path` of the authority."""

    scope: str
    reason: str
    by: str
    since: datetime


class LocalSuspensions:
    """Looked up before every write: at most a handful of primary-key reads."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        scopes = {"*"}
        for reference in references:
            if isinstance(reference, PathRef):
                scopes.add(str(reference))
            else:
                scopes |= {reference.namespace, f"{reference.namespace}/{reference.name}"}
        marks = ", ".join("?" * len(scopes))
        query = f"SELECT scope, reason FROM suspension WHERE scope IN ({marks}) ORDER BY scope LIMIT 1"  # noqa: S608  only marks
        found = self._database.rows(query, *scopes)
        return f"{found[0][1]} (scope {found[0][0]})" if found else None

    def suspend(self, suspension: Suspension) -> int:
        """Stop writing for a scope; the serial number of the change."""
        row = (suspension.scope, suspension.reason, suspension.by, suspension.since.isoformat())
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO suspension (scope, reason, by, since) VALUES (?, ?, ?, ?)", row)
            return _counted(connection)

    def resume(self, scope: str) -> int | None:
        """Release a scope; the serial number of the change, None where it was not suspended."""
        with self._database.writing() as connection:
            released = connection.execute("DELETE FROM suspension WHERE scope = ?", (scope,)).rowcount
            return _counted(connection) if released else None

    def all(self) -> tuple[Suspension, ...]:
        """Everything suspended, ordered by scope."""
        rows = self._database.rows("SELECT scope, reason, by, since FROM suspension ORDER BY scope")
        return tuple(Suspension(scope, reason, by, datetime.fromisoformat(since)) for scope, reason, by, since in rows)


def _counted(connection: sqlite3.Connection) -> int:
    connection.execute(COUNT, (_SERIAL,))
    serial: int = connection.execute("SELECT value FROM serial WHERE name = ?", (_SERIAL,)).fetchone()[0]
    return serial
