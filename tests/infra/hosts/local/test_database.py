"""local.db: made once by whoever is first, private, durable, and whole after anything that fails."""

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions._failures import Unavailable
from infra.hosts.local.database import SCHEMA_VERSION, LocalDatabase, LocalDatabaseError

INSERT = "INSERT INTO suspension (scope, reason, by, since) VALUES (?, ?, '', '')"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "local.db"


@pytest.fixture
def database(file: Path) -> Iterator[LocalDatabase]:
    made = LocalDatabase(file)
    yield made
    made.close()


def scopes(database: LocalDatabase) -> list[str]:
    return [str(row[0]) for row in database.rows("SELECT scope FROM suspension ORDER BY scope")]


def test_only_its_owner_reads_it(database: LocalDatabase, file: Path) -> None:
    with database.writing() as connection:
        connection.execute(INSERT, ("a", ""))
    for found in file.parent.glob("local.db*"):
        assert stat.S_IMODE(found.stat().st_mode) == 0o600, found


def test_what_was_written_is_there_after_opening_again(database: LocalDatabase, file: Path) -> None:
    with database.writing() as connection:
        connection.execute(INSERT, ("a", ""))
    again = LocalDatabase(file)
    assert scopes(again) == ["a"]
    again.close()


def test_a_block_that_raises_leaves_nothing(database: LocalDatabase) -> None:
    with pytest.raises(ZeroDivisionError):
        _write(database, "a", failing=True)
    assert scopes(database) == []
    with database.writing() as connection:
        connection.execute(INSERT, ("b", ""))
    assert scopes(database) == ["b"]


@pytest.mark.parametrize("big", [1, 50])
def test_a_full_disk_is_said_and_passes(database: LocalDatabase, big: int) -> None:
    """SQLite undoes some failed transactions by itself: the next one must begin all the same."""
    connection = database.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(3):
        with pytest.raises(Unavailable, match=r"full.*free space"):
            _write(database, *(f"{number}" for number in range(big)), reason="x" * 100_000)
        assert scopes(database) == []
    connection.execute("PRAGMA max_page_count=100000")
    with database.writing() as free:
        free.execute(INSERT, ("a", ""))
    assert scopes(database) == ["a"]


def _write(database: LocalDatabase, *scopes: str, reason: str = "", failing: bool = False) -> None:
    with database.writing() as connection:
        for scope in scopes:
            connection.execute(INSERT, (scope, reason))
        if failing:
            raise ZeroDivisionError


def test_threads_have_their_own_connections_and_see_each_others_writes(database: LocalDatabase) -> None:
    connections: list[sqlite3.Connection] = []

    def work(number: int) -> None:
        for step in range(20):
            with database.writing() as connection:
                connection.execute(INSERT, (f"{number}-{step:02}", ""))
        connections.append(database.connection())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(connection) for connection in connections}) == 4
    assert len(scopes(database)) == 80


def test_many_open_one_new_file_at_once(file: Path) -> None:
    """Several steps' processes start beside each other on one ROOT."""
    barrier, failures = threading.Barrier(8), []

    def open_() -> None:
        barrier.wait()
        try:
            LocalDatabase(file).close()
        except Exception as failure:  # noqa: BLE001 - collected for the assertion
            failures.append(failure)

    threads = [threading.Thread(target=open_) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = LocalDatabase(file)
    assert database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    database.close()


def test_a_file_of_the_first_version_is_brought_forward(file: Path) -> None:
    database = LocalDatabase(file)
    with database.writing() as connection:
        connection.execute(INSERT, ("kept", ""))
        connection.execute("DROP TABLE retiring")
        connection.execute("PRAGMA user_version=1")
    database.close()
    database = LocalDatabase(file)
    assert scopes(database) == ["kept"]
    assert database.rows("SELECT count(*) FROM retiring") == [(0,)]
    assert database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    database.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_named_with_what_to_do(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(LocalDatabaseError, match=r"local\.db is damaged; remove it"):
        LocalDatabase(file)


def test_a_newer_file_is_left_alone(file: Path) -> None:
    LocalDatabase(file).close()
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(LocalDatabaseError, match="newer Lockstep"):
        LocalDatabase(file)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "local.db", tmp_path):
        with pytest.raises(LocalDatabaseError, match="cannot be opened"):
            LocalDatabase(path)


def test_closing_twice(file: Path) -> None:
    database = LocalDatabase(file)
    database.close()
    database.close()
