"""`Publications` in the local database: which version of a path its origin stands by."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from events.references import ManifestRef, PathRef, Version
from functions._ports import Publication
from infra.hosts.local.changes import Remembered
from infra.hosts.local.database import LocalDatabase

_COLUMNS = "path, mount, manifest, generation, number, created, id, sources"
_NUMBER = _COLUMNS.split(", ").index("number")
_SELECT_ONE = f"SELECT {_COLUMNS} FROM publication WHERE path = ?"  # noqa: S608  constant columns
_REPLACE = f"INSERT OR REPLACE INTO publication ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  as above


class LocalPublications:
    """One row per path. A row is only ever replaced by a newer version, or by the same one."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database
        self._changes = database.changes("publication")
        self._known: Remembered[PathRef, Publication | None] = Remembered(self._changes)

    def read(self, path: PathRef) -> Publication | None:
        return self._known.get(path, lambda: self._find(path))

    def _find(self, path: PathRef) -> Publication | None:
        found = self._database.rows(_SELECT_ONE, str(path))
        return _publication(found[0], path) if found else None

    def record(self, publication: Publication) -> None:
        # Not synced: a power cut that undoes it leaves a version that nobody confirmed, which the next delivery or
        # sweep compares with its source and confirms again. A rotated path has no source to compare it with.
        row, number = _row(publication), publication.version.number
        synced = publication.manifest.kind == "Rotation"
        with self._database.writing(synced=synced, changes=self._changes) as connection:
            known = connection.execute(_SELECT_ONE, row[:1]).fetchone()
            newer = known is None or (number >= known[_NUMBER] and row != known)
            if newer:
                connection.execute(_REPLACE, row)
            at = self._changes.writing()
        self._known.replace(publication.path, publication if newer else _publication(known, publication.path), at)

    def forget(self, path: PathRef) -> None:
        with self._database.writing(changes=self._changes) as connection:
            connection.execute("DELETE FROM publication WHERE path = ?", (str(path),))

    def all(self) -> Iterator[Publication]:
        """Every confirmed version, ordered by path."""
        query = f"SELECT {_COLUMNS} FROM publication ORDER BY path"  # noqa: S608  constant columns
        for row in self._database.rows(query):
            yield _publication(row)


def _row(publication: Publication) -> tuple[Any, ...]:
    version = publication.version
    return (
        str(publication.path), publication.path.mount, str(publication.manifest),
        publication.generation, version.number, version.created.isoformat(), version.id,
        json.dumps(dict(publication.sources), sort_keys=True),
    )  # fmt: skip


def _publication(row: tuple[Any, ...], path: PathRef | None = None) -> Publication:
    name, mount, manifest, generation, number, created, identity, sources = row
    return Publication(
        path=path or PathRef(mount=mount, path=name.removeprefix(f"{mount}/")),
        version=Version(number=number, created=datetime.fromisoformat(created), id=identity),
        manifest=_manifest(manifest),
        sources=json.loads(sources),
        generation=generation,
    )


@lru_cache(maxsize=4096)
def _manifest(text: str) -> ManifestRef:
    return ManifestRef.parse(text)
