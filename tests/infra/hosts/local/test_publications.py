"""Which confirmations survive the loss of power."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection

import pytest

from events.references import ManifestRef, PathRef, Version
from functions._ports import Publication
from infra.hosts.local.changes import Changes
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.publications import LocalPublications


@pytest.mark.parametrize(("kind", "synced"), [("PushSecret", False), ("Rotation", True)])
def test_what_no_source_could_confirm_again_is_synced(tmp_path: Path, kind: str, synced: bool) -> None:
    database = LocalDatabase(tmp_path / "local.db")
    asked: list[bool] = []
    writing = database.writing

    @contextmanager
    def watched(*, synced: bool = True, changes: Changes | None = None) -> Iterator[Connection]:
        asked.append(synced)
        with writing(synced=synced, changes=changes) as connection:
            yield connection

    database.writing = watched  # type: ignore[method-assign]  # to see what it is asked for
    path = PathRef(mount="secret", path="a")
    version = Version(number=1, created=datetime(2026, 1, 1, tzinfo=UTC))
    made = Publication(path, version, ManifestRef(kind=kind, namespace="team", name="x"), {})
    LocalPublications(database).record(made)
    assert asked == [synced]
    assert LocalPublications(database).read(path) == made
    database.close()
