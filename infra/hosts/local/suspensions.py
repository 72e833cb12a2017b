"""`Suspensions` in the local database: what operators stopped, and why."""

from dataclasses import dataclass
from datetime import datetime

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.database import LocalDatabase


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
        row = (
            self._database.connection()
            .execute(f"SELECT scope, reason FROM suspension WHERE scope IN ({marks}) LIMIT 1", tuple(scopes))  # noqa: S608  only marks
            .fetchone()
        )
        return f"{row[1]} (scope {row[0]})" if row else None

    def suspend(self, suspension: Suspension) -> int:
        """Stop writing for a scope; the serial number of the change."""
        return self._change(
            "INSERT OR REPLACE INTO suspension (scope, reason, by, since) VALUES (?, ?, ?, ?)",
            (suspension.scope, suspension.reason, suspension.by, suspension.since.isoformat()),
        )

    def resume(self, scope: str) -> int | None:
        """Release a scope; the serial number of the change, None where it was not suspended."""
        if not any(found.scope == scope for found in self.all()):
            return None
        return self._change("DELETE FROM suspension WHERE scope = ?", (scope,))

    def all(self) -> tuple[Suspension, ...]:
        """Everything suspended, ordered by scope."""
        rows = self._database.connection().execute("SELECT scope, reason, by, since FROM suspension ORDER BY scope")
        return tuple(Suspension(scope, reason, by, datetime.fromisoformat(since)) for scope, reason, by, since in rows)

    def _change(self, statement: str, values: tuple[str, ...]) -> int:
        connection = self._database.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(statement, values)
            connection.execute(
                "INSERT INTO serial (name, value) VALUES ('suspension', 1) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
            serial: int = connection.execute("SELECT value FROM serial WHERE name = 'suspension'").fetchone()[0]
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return serial
