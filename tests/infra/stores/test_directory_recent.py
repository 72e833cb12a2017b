"""A write after a read takes no other look at what cannot have changed, and misses nothing that has."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from events.references import SecretRef
from functions._failures import Conflict
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.stores.directory import DirectorySecrets
from infra.stores.directory.reading import Look, look
from tests.infra.stores import directory_producers as producers

REF = SecretRef(namespace="temporal", name="db-credentials")
_TICK = 0.02  # seconds; the store's own


def content(**data: bytes) -> SecretContent:
    values = {key: SecretValue(raw) for key, raw in data.items()}
    return SecretContent(data=values, stamp={}, owner="ExternalSecret temporal/db", managed=frozenset(data))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The looks that were taken."""
    taken: list[object] = []

    def noted(place: object, **arguments: object) -> Look | None:
        taken.append(place)
        return look(place, **arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("infra.stores.directory.secrets.look", noted)
    return taken


def grown_old(tmp_path: Path) -> tuple[DirectorySecrets, str]:
    """A Secret of ours that was written more than a tick ago, and its state."""
    store = DirectorySecrets(tmp_path, settle=_TICK)
    state = store.create(REF, content(username=b"owner", password=b"first"))
    time.sleep(2 * _TICK)
    return store, state


def test_a_write_after_a_read_looks_no_more(tmp_path: Path, looks: list[object]) -> None:
    store, state = grown_old(tmp_path)
    looks.clear()
    read = store.read(REF)
    assert read is not None
    assert read.state == state
    assert len(looks) == 1
    written = store.update(REF, content(username=b"owner", password=b"second"), state)
    assert len(looks) == 1
    assert producers.values(tmp_path, REF) == {"username": b"owner", "password": b"second"}
    with pytest.raises(Conflict):
        store.update(REF, content(username=b"owner", password=b"third"), state)
    assert store.update(REF, content(username=b"owner", password=b"third"), written) != written


def test_what_is_too_young_is_looked_at_again(tmp_path: Path, looks: list[object]) -> None:
    store = DirectorySecrets(tmp_path, settle=60.0)
    state = store.create(REF, content(password=b"first"))
    store.read(REF)
    looks.clear()
    store.update(REF, content(password=b"second"), state)
    assert len(looks) == 1


def test_no_value_is_remembered(tmp_path: Path) -> None:
    store, _ = grown_old(tmp_path)
    store.read(REF)
    (seen,) = store._recent._seen.values()
    assert seen.look.values == {}


def write_in_place(directory: Path) -> None:
    file = directory / "..data" / "password"
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"other")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_file(directory: Path) -> None:
    other = directory / "..data" / "other"
    other.write_bytes(b"other")
    other.rename(directory / "..data" / "password")


def swap_data(directory: Path) -> None:
    (directory / "..2026").mkdir()
    (directory / "..2026" / "password").write_bytes(b"other")
    (directory / "..swap").symlink_to("..2026")
    (directory / "..swap").rename(directory / "..data")


def shadow(directory: Path) -> None:
    (directory / "password").unlink()
    (directory / "password").write_bytes(b"other")


CHANGES: dict[str, Callable[[Path], object]] = {
    "written in place, with its times set back": write_in_place,
    "replaced by rename": replace_file,
    "a key more": lambda directory: (directory / "..data" / "more").write_bytes(b"1"),
    "a key less": lambda directory: (directory / "..data" / "password").unlink(),
    "..data swapped": swap_data,
    "a file instead of the link": shadow,
    "no link": lambda directory: (directory / "username").unlink(),
    "our document gone": lambda directory: (directory / "..data" / "..lockstep.json").unlink(),
    "our document damaged": lambda directory: (directory / "..data" / "..lockstep.json").write_bytes(b"{}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_last_look_is_noticed(change: str, tmp_path: Path) -> None:
    store, state = grown_old(tmp_path)
    read = store.read(REF)
    assert read is not None
    CHANGES[change](producers.place(tmp_path, REF))
    with pytest.raises(Conflict):
        store.update(REF, content(username=b"owner", password=b"second"), state)


def test_a_secret_that_was_deleted_and_made_again_is_another_one(tmp_path: Path) -> None:
    store, state = grown_old(tmp_path)
    store.read(REF)
    store.delete(REF, state)
    store.create(REF, content(username=b"owner", password=b"first"))
    with pytest.raises(Conflict):
        store.update(REF, content(username=b"owner", password=b"second"), state)
