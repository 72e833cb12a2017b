"""`Publications` in the local database: which version of a path its origin stands by."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.references import ManifestRef, PathRef, Version
from functions._manifests.rotation import Rotation
from functions._ports import Publication
from infra.hosts.local.database import LocalDatabase

_COLUMNS = "path, mount, manifest, generation, number, created, id, sources"
_SELECT_ONE = f"SELECT {_COLUMNS} FROM publication WHERE path = ?"  # noqa: S608  constant columns


class LocalPublications:
    """One row per path. A row is only ever replaced by a newer version, or by the same one."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database

    def read(self, path: PathRef) -> Publication | None:
        found = self._database.rows(_SELECT_ONE, str(path))
        return _publication(found[0]) if found else None

    def record(self, publication: Publication) -> None:
        # Not synced: a power cut that undoes it leaves a version that nobody confirmed, which the next delivery or
        # sweep compares with its source and confirms again. A rotated path has no source to compare it with.
        with self._database.writing(synced=publication.manifest.kind == Rotation.KIND) as connection:
            found = connection.execute(_SELECT_ONE, (str(publication.path),)).fetchone()
            known = _publication(found) if found else None
            if known is None or (publication.version.number >= known.version.number and publication != known):
                version = publication.version
                connection.execute(
                    f"INSERT OR REPLACE INTO publication ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  as above
                    (
                        str(publication.path), publication.path.mount, str(publication.manifest),
                        publication.generation, version.number, version.created.isoformat(), version.id,
                        json.dumps(dict(publication.sources), sort_keys=True),
                    ),
                )  # fmt: skip

    def forget(self, path: PathRef) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM publication WHERE path = ?", (str(path),))

    def all(self) -> Iterator[Publication]:
        """Every confirmed version, ordered by path."""
        query = f"SELECT {_COLUMNS} FROM publication ORDER BY path"  # noqa: S608  constant columns
        for row in self._database.rows(query):
            yield _publication(row)


def _publication(row: tuple[Any, ...]) -> Publication:
    path, mount, manifest, generation, number, created, identity, sources = row
    return Publication(
        path=PathRef(mount=mount, path=path.removeprefix(f"{mount}/")),
        version=Version(number=number, created=datetime.fromisoformat(created), id=identity),
        manifest=ManifestRef.parse(manifest),
        sources=json.loads(sources),
        generation=generation,
    )
