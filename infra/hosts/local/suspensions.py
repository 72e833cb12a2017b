"""`Suspensions` in the local database: what operators stopped, and why."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.changes import Remembered
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
    """Looked up before every write, in memory while nothing is suspended or resumed: they are few."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database
        self._changes = database.changes("suspension")
        self._known: Remembered[None, dict[str, str]] = Remembered(self._changes)

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        scopes = {"*"}
        for reference in references:
            if isinstance(reference, PathRef):
                scopes.add(str(reference))
            else:
                scopes |= {reference.namespace, f"{reference.namespace}/{reference.name}"}
        known = self._known.get(None, self._reasons)
        scope = min((scope for scope in scopes if scope in known), default=None)
        return f"{known[scope]} (scope {scope})" if scope is not None else None

    def _reasons(self) -> dict[str, str]:
        return dict(self._database.rows("SELECT scope, reason FROM suspension"))

    def suspend(self, suspension: Suspension) -> int:
        """Stop writing for a scope; the serial number of the change."""
        row = (suspension.scope, suspension.reason, suspension.by, suspension.since.isoformat())
        with self._database.writing(changes=self._changes) as connection:
            connection.execute("INSERT OR REPLACE INTO suspension (scope, reason, by, since) VALUES (?, ?, ?, ?)", row)
            return _counted(connection)

    def resume(self, scope: str) -> int | None:
        """Release a scope; the serial number of the change, None where it was not suspended."""
        with self._database.writing(changes=self._changes) as connection:
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
