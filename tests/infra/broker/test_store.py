"""The database file."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from infra.broker.errors import StoreError
from infra.broker.schema import VERSION
from infra.broker.store import Store


def test_created_for_its_owner_alone_and_durable(tmp_path: Path) -> None:
    store = Store(tmp_path / "broker.db")
    store.connection.execute("INSERT INTO mark VALUES ('x', 1)")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert "broker.db-wal" in modes
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_readers_cannot_write(tmp_path: Path) -> None:
    store = Store(tmp_path / "broker.db")
    with store.reading() as sql, pytest.raises(sqlite3.OperationalError, match="readonly"):
        sql.execute("INSERT INTO mark VALUES ('x', 1)")
    store.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "broker.db")
    with pytest.raises(StoreError, match="another process uses"):
        Store(tmp_path / "broker.db")
    store.close()
    Store(tmp_path / "broker.db").close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    Store(path).close()
    with sqlite3.connect(path) as sql:
        sql.execute(f"PRAGMA user_version={VERSION + 1}")
    sql.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer than 1 of this program; run the newer program"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as sql:
        sql.execute("CREATE TABLE x(y)")
    sql.close()
    with pytest.raises(StoreError, match="something else"):
        Store(other)
    text = tmp_path / "text.db"
    text.write_text("this is no database at all, whatever its name may say" * 20)
    with pytest.raises(StoreError, match="is not a broker database"):
        Store(text)


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere.db", tmp_path / "broker.db")
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path / "broker.db")
    assert not (tmp_path / "elsewhere.db").exists()
