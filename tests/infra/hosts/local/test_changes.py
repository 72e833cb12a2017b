"""What is remembered of a table is what stands there, whoever changes it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.references import ManifestRef, PathRef, Version
from functions._ports import Publication
from infra.hosts.local.changes import ChangesFile, Remembered
from infra.hosts.local.database import LocalDatabase, LocalDatabaseError
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions, Suspension

PATHS = [PathRef(mount="secret", path=name) for name in "ab"]
MANIFEST = ManifestRef(kind="PushSecret", namespace="team", name="x")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def publication(path: PathRef, number: int) -> Publication:
    return Publication(path, Version(number=number, created=NOW), MANIFEST, {})


@contextmanager
def opened(folder: Path, count: int) -> Iterator[list[LocalDatabase]]:
    """As many processes have the file open."""
    databases = [LocalDatabase(folder / "local.db") for _ in range(count)]
    yield databases
    for database in databases:
        database.close()


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(PATHS), st.sampled_from(["read", "record", "forget"]))))
def test_what_is_read_is_what_stands_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, PathRef, str]]
) -> None:
    with opened(tmp_path_factory.mktemp("local"), 2) as databases:
        stores = [LocalPublications(database) for database in databases]
        expected: dict[PathRef, Publication] = {}
        for number, (process, path, what) in enumerate(steps, 2):
            if what == "record":
                expected[path] = publication(path, number)
                stores[process].record(expected[path])
                stores[process].record(publication(path, 1))  # an older one changes nothing
            elif what == "forget":
                expected.pop(path, None)
                stores[process].forget(path)
            assert [store.read(path) for store in stores] == [expected.get(path)] * 2


def test_what_has_not_changed_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, 2) as (database, other):
        publications, suspensions = LocalPublications(database), LocalSuspensions(database)
        asked: list[str] = []
        rows = database.rows

        def counted(statement: str, *values: object) -> list[tuple[object, ...]]:
            asked.append(statement)
            return rows(statement, *values)

        monkeypatch.setattr(database, "rows", counted)
        for _ in range(3):
            assert suspensions.reason(MANIFEST) is None
            assert publications.read(PATHS[0]) is None
        assert len(asked) == 2
        for number in range(1, 4):
            publications.record(publication(PATHS[0], number))
            assert publications.read(PATHS[0]) == publication(PATHS[0], number)
            assert suspensions.reason(MANIFEST) is None
        assert len(asked) == 2, "what was written here is known, and the other table did not change"
        LocalSuspensions(other).suspend(Suspension("team", "an incident", "somebody", NOW))
        assert suspensions.reason(MANIFEST) == "an incident (scope team)"
        LocalSuspensions(other).resume("team")
        assert suspensions.reason(MANIFEST) is None
        assert len(asked) == 4


def test_a_process_that_died_while_it_wrote_leaves_nothing_that_is_believed(tmp_path: Path) -> None:
    with opened(tmp_path, 2) as (database, other):
        store, path = LocalPublications(database), PATHS[0]
        store.record(publication(path, 1))
        assert store.read(path) == publication(path, 1)
        changes = other.changes("publication")
        changes._numbers[changes._index] += 1  # as it was left by who began, and did not end
        connection = other.connection()
        connection.execute("UPDATE publication SET number = 7")
        assert store.read(path) == publication(path, 7)
        store.record(publication(path, 8))
        assert store.read(path) == publication(path, 8)
        assert database.changes("publication").number() is not None
        connection.execute("UPDATE publication SET number = 9")  # nobody writes so; it shows that memory is used again
        assert store.read(path) == publication(path, 8)


@pytest.mark.parametrize(
    "left", [b"", b"\1", b"\xff" * 16, b"\xfe" + b"\xff" * 15, b"\xfd" + b"\xff" * 15, b"x" * 9999]
)
def test_whatever_a_crash_left_in_the_file_is_counted_on_from(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "local.changes").write_bytes(left)
    with opened(tmp_path, 2) as databases:
        stores, path = [LocalPublications(database) for database in databases], PATHS[0]
        for number in range(1, 5):
            stores[number % 2].record(publication(path, number))
            assert [store.read(path) for store in stores * 2] == [publication(path, number)] * 4


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "local.changes").mkdir()
    with pytest.raises(LocalDatabaseError, match=r"local\.changes cannot be opened"):
        LocalDatabase(tmp_path / "local.db")


def test_threads_that_read_and_write_see_no_number_go_back(tmp_path: Path) -> None:
    with opened(tmp_path, 2) as databases:
        stores = [LocalPublications(database) for database in databases]
        path, failures, done = PATHS[0], list[str](), threading.Event()

        def read(store: LocalPublications) -> None:
            last = 0
            while not done.is_set():
                found = store.read(path)
                number = found.version.number if found is not None else 0
                if number < last:
                    failures.append(f"{number} after {last}")
                last = number

        readers = [threading.Thread(target=read, args=(store,)) for store in stores for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, 200):
            stores[number % 2].record(publication(path, number))
            assert stores[0].read(path) == stores[1].read(path) == publication(path, number)
        done.set()
        for reader in readers:
            reader.join()
        assert failures == []


def test_only_so_much_is_remembered(tmp_path: Path) -> None:
    file = ChangesFile(tmp_path / "x.changes", ("a", "b"))
    remembered: Remembered[int, int] = Remembered(file.of("b"))
    for number in range(10_000):
        assert remembered.get(number, lambda number=number: number) == number  # type: ignore[misc]
    assert len(remembered._found) <= 4096
    file.close()
