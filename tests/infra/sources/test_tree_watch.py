"""The watch below all others: paths in, changed paths out."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sources import kernel_notifications
from infra.sources.tree_watch import TreeWatch
from tests.infra.sources.watched import DEADLINE, eventually


class Told:
    """What a watch told, from its thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.paths: set[Path] = set()

    def __call__(self, paths: frozenset[Path]) -> None:
        with self._changed:
            self.paths |= paths
            self._changed.notify_all()

    def until(self, *paths: Path) -> None:
        """Waits for these paths, and begins anew."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.paths >= set(paths), DEADLINE), (paths, self.paths)
            self.paths = set()


@pytest.fixture(params=["inotify", "polling"])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TreeWatch]:
    if request.param == "polling":

        def limited() -> None:
            raise OSError(24, "too many")

        monkeypatch.setattr(kernel_notifications, "Inotify", limited)
    watch = TreeWatch([tmp_path / "root" / "wiring", tmp_path / "root" / "access.yaml"], Told(), interval=0.01)
    yield watch
    watch.stop()


@pytest.fixture
def told(watch: TreeWatch) -> Told:
    """What the running watch tells; the start is over."""
    found = watch._on_change
    assert isinstance(found, Told)
    watch.start()
    assert watch.wait_ready(DEADLINE)
    found.until(*watch.paths)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "wiring").mkdir(parents=True)
    return tmp_path / "root"


def test_files_below_a_directory(root: Path, told: Told) -> None:
    path = root / "wiring" / "deep" / "er" / "db.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("a")
    # Whatever is found when a new directory is first listed is told by the directory's name.
    eventually(lambda: not {path, path.parent, path.parent.parent}.isdisjoint(told.paths))
    path.write_text("bb")
    told.until(path)
    path.unlink()
    told.until(path)


def test_a_file_itself_written_replaced_and_removed(root: Path, told: Told) -> None:
    path = root / "access.yaml"
    path.write_text("a")
    told.until(path)
    (root / "new").write_text("replaced")
    (root / "new").rename(path)
    told.until(path)
    path.unlink()
    told.until(path)


def test_what_lies_beside_the_roots_is_not_told(root: Path, told: Told) -> None:
    (root / "state").mkdir()
    (root / "state" / "broker.db").write_text("x")
    (root / "access.yaml").write_text("a")
    eventually(lambda: root / "access.yaml" in told.paths)
    assert not {path for path in told.paths if "state" in path.parts}


def test_roots_whose_parent_comes_late_and_goes_and_comes(tmp_path: Path, told: Told) -> None:
    root = tmp_path / "root"
    for _ in range(2):
        (root / "wiring").mkdir(parents=True)
        eventually(lambda: bool(told.paths))
        (root / "wiring" / "a.yaml").write_text("a")
        told.until(root / "wiring")
        (root / "wiring" / "b.yaml").write_text("b")
        eventually(lambda: bool({root / "wiring", root / "wiring" / "b.yaml"} & told.paths))
        root.rename(tmp_path / f"gone-{os.urandom(4).hex()}")
        told.paths.clear()


def test_a_directory_moved_away_is_told_no_more(root: Path, tmp_path: Path, told: Told) -> None:
    moved = tmp_path / "moved"
    (root / "wiring" / "team").mkdir()
    told.until(root / "wiring" / "team")
    (root / "wiring" / "team").rename(moved)
    told.until(root / "wiring" / "team")
    (moved / "a.yaml").write_text("elsewhere")
    (root / "access.yaml").write_text("a")
    told.until(root / "access.yaml")
    assert root / "wiring" / "team" / "a.yaml" not in told.paths


def test_a_callback_that_fails_is_shown_and_everything_is_told_again(root: Path) -> None:
    calls: list[frozenset[Path]] = []

    def fails_once(paths: frozenset[Path]) -> None:
        calls.append(paths)
        if len(calls) == 1:
            raise RuntimeError("canary-value")

    notices: list[str] = []
    watch = TreeWatch([root / "wiring"], fails_once, notice=notices.append)
    watch.start()
    try:
        assert watch.wait_ready(DEADLINE)
        assert calls == [frozenset({root / "wiring"})] * 2
        assert notices == [watch.last_error]
        assert "RuntimeError" in notices[0]
        assert "canary" not in notices[0]
        assert watch.alive()
    finally:
        watch.stop()


def test_stopping_what_never_started_is_nothing(root: Path) -> None:
    TreeWatch([root / "wiring"], lambda _: None).stop()


def test_what_nobody_is_in_a_hurry_to_hear_is_told_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("calm", "other"):
        (root / name).mkdir(parents=True)
    told = Told()
    watch = TreeWatch([root], told, interval=0.01, unhurried=lambda directory: directory.endswith("/calm"))
    watch.start()
    try:
        assert watch.wait_ready(DEADLINE)
        told.until(root)
        (root / "calm" / "a").write_text("1")
        told.until(root / "calm" / "a")
        (root / "calm" / "b").write_text("1")
        (root / "other" / "c").write_text("1")
        told.until(root / "calm" / "b", root / "other" / "c")
    finally:
        watch.stop()
