"""`Publications` in the local database: which version of a path its origin stands by."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from events.references import ManifestRef, PathRef, Version
from functions._ports import Publication
from infra.hosts.local.database import LocalDatabase

_COLUMNS = "path, mount, manifest, generation, number, created, id, sources"


class LocalPublications:
    """One row per path. A row is only ever replaced by a newer version, or by the same one."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database

    def read(self, path: PathRef) -> Publication | None:
        row = (
            self._database.connection()
            .execute(f"SELECT {_COLUMNS} FROM publication WHERE path = ?", (str(path),))  # noqa: S608  constant columns
            .fetchone()
        )
        return _publication(row) if row else None

    def record(self, publication: Publication) -> None:
        connection = self._database.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            known = self.read(publication.path)
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
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def forget(self, path: PathRef) -> None:
        self._database.connection().execute("DELETE FROM publication WHERE path = ?", (str(path),))

    def all(self) -> Iterator[Publication]:
        """Every confirmed version, ordered by path."""
        query = f"SELECT {_COLUMNS} FROM publication ORDER BY path"  # noqa: S608  constant columns
        for row in self._database.connection().execute(query).fetchall():
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
