"""Paths that no manifest names any more while their retraction is not over: steps must be let at them until it is."""

from collections.abc import Collection

from events.references import PathRef
from infra.hosts.local.database import LocalDatabase


class RetiringPaths:
    """One row per path, for places where what was confirmed of a path goes with its manifest. Thread-safe.

    A path that is wired again, or whose retraction ended, is not retiring; one that nobody had claimed stays, which
    lets steps look at a path that was theirs to look at.
    """

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database

    def all(self) -> tuple[PathRef, ...]:
        """Raises Unavailable where the file cannot be read now."""
        rows = self._database.rows("SELECT mount, path FROM retiring ORDER BY mount, path")
        return tuple(PathRef(mount=mount, path=path) for mount, path in rows)

    def rewired(self, left: Collection[PathRef], back: Collection[PathRef]) -> None:
        """Remember paths that were `left`, forget those that are `back`; durable when it returns. As `all`."""
        if left or back:
            with self._database.writing() as connection:
                connection.executemany("INSERT OR IGNORE INTO retiring (mount, path) VALUES (?, ?)", _rows(left))
                connection.executemany("DELETE FROM retiring WHERE mount = ? AND path = ?", _rows(back))

    def over(self, path: PathRef) -> None:
        """Its retraction ended. A row that survives a power cut grants what it did before. As `all`."""
        with self._database.writing(synced=False) as connection:
            connection.executemany("DELETE FROM retiring WHERE mount = ? AND path = ?", _rows((path,)))


def _rows(paths: Collection[PathRef]) -> list[tuple[str, str]]:
    return [(path.mount, path.path) for path in paths]
