"""When events were accepted, and about what: read from the broker's file, beside the running broker."""

import sqlite3
from contextlib import closing
from pathlib import Path


def newest(root: Path) -> int:
    """The number of the newest event."""
    return int(_rows(root, "SELECT coalesce(max(seq), 0) FROM event")[0][0])


def moments(root: Path, after: int) -> dict[str, list[float]]:
    """Of the events after a number: for each type, without `dev.lockstep.`, when they were accepted, in seconds."""
    found: dict[str, list[float]] = {}
    for kind, accepted in _rows(root, "SELECT type, accepted FROM event WHERE seq > ? ORDER BY seq", after):
        found.setdefault(str(kind).removeprefix("dev.lockstep."), []).append(float(accepted) / 1e6)
    return found


def _rows(root: Path, query: str, *values: int) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(f"file:{root}/state/broker.db?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(query, values).fetchall()
