"""The folder of manifests: what a reload finds, keeps and refuses."""

import os
import threading
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef
from functions._ports import Wiring
from infra.wiring.directory import WiringDirectory
from tests.infra.wiring.samples import STORE, external, push, together

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal")
PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "wiring"
    folder.mkdir()
    (folder / "store.yaml").write_text(STORE)
    (folder / "push.yaml").write_text(push())
    (folder / "temporal").mkdir()
    (folder / "temporal" / "external.yml").write_text(external())
    return folder


def _said(directory: WiringDirectory) -> list[tuple[str, str]]:
    return sorted((str(each.manifest), each.change) for each in directory.reload())


def test_the_first_reload_adds_everything_and_the_next_finds_nothing(folder: Path) -> None:
    directory = WiringDirectory(folder)
    port: Wiring = directory
    assert not port.complete()
    assert [change for _, change in _said(directory)] == ["added", "added", "added"]
    assert directory.complete()
    assert _said(directory) == []
    assert [each.ref for each in directory.consumers_of_path(PATH)] == [PULL]


def test_changes_are_told_by_content(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    (folder / "push.yaml").write_text("# only a comment\n" + push())
    assert _said(directory) == []
    (folder / "push.yaml").write_text(push(more="  deletionPolicy: Delete"))
    assert _said(directory) == [("PushSecret platform-data/temporal", "changed")]
    (folder / "push.yaml").write_text(push(metadata="  annotations: {force-sync: '1'}"))
    assert _said(directory) == [("PushSecret platform-data/temporal", "changed")]
    (folder / "push.yaml").unlink()
    assert _said(directory) == [("PushSecret platform-data/temporal", "removed")]
    assert directory.push_secret(PUSH) is None


def test_a_change_within_one_tick_of_the_files_time_is_seen(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    file = folder / "push.yaml"
    status = file.stat()
    file.write_text(
        file.read_text().replace("username", "usernames", 1).replace("property: username", "property: usernam")
    )
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _said(directory) == [("PushSecret platform-data/temporal", "changed")]


@pytest.mark.parametrize(
    "broken", ["a: [1\n", push(more="  nonsense: 1"), "", push().replace("kind: Push", "kind: Posh")]
)
def test_a_file_that_breaks_keeps_its_last_good_manifests(folder: Path, broken: str) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    (folder / "push.yaml").write_text(broken)
    changes = _said(directory)
    if broken == "":
        assert changes == [("PushSecret platform-data/temporal", "removed")]  # empty is no slip: it says nothing
        return
    assert changes == []
    assert directory.push_secret(PUSH) is not None
    assert not directory.complete()
    (finding,) = directory.snapshot().findings
    assert finding.file == "wiring/push.yaml"
    assert dict(directory.snapshot().former) == {PUSH: finding}
    (folder / "push.yaml").write_text(push())
    assert _said(directory) == []
    assert directory.complete()
    assert not directory.snapshot().former


def test_the_sound_part_of_a_broken_file_counts(folder: Path) -> None:
    directory = WiringDirectory(folder)
    both = together(push(), push("b", path="platform-data/postgres/b"))
    (folder / "push.yaml").write_text(both)
    directory.reload()
    new = push("c", path="platform-data/postgres/c")
    (folder / "push.yaml").write_text(together(push(more="  deletionPolicy: Delete"), "x: [\n", new))
    assert _said(directory) == [
        ("PushSecret platform-data/c", "added"),
        ("PushSecret platform-data/temporal", "changed"),
    ]
    assert directory.push_secret(ManifestRef(kind="PushSecret", namespace="platform-data", name="b")) is not None


def test_a_file_that_was_never_good_leaves_the_rest_working(folder: Path) -> None:
    (folder / "bad.yaml").write_text("a: {b: 1, b: 2}")
    directory = WiringDirectory(folder)
    assert len(_said(directory)) == 3
    assert not directory.complete()


def test_a_manifest_whose_problem_goes_away_changes(folder: Path) -> None:
    directory = WiringDirectory(folder)
    (folder / "second.yaml").write_text(push("second"))
    directory.reload()
    assert directory.snapshot().disputed(PUSH)
    (folder / "second.yaml").unlink()
    assert _said(directory) == [
        ("PushSecret platform-data/second", "removed"),
        ("PushSecret platform-data/temporal", "changed"),
    ]


def test_a_folder_that_vanishes_retracts_nothing(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    folder.rename(folder.with_name("gone"))
    assert _said(directory) == []
    assert directory.push_secret(PUSH) is not None
    assert not directory.complete()
    folder.with_name("gone").rename(folder)
    assert _said(directory) == []
    assert directory.complete()


def test_a_folder_that_cannot_be_listed_keeps_what_was_in_it(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    (folder / "temporal").rename(folder / ".away")
    (folder / "temporal").symlink_to(folder / "nowhere")  # what an interrupted swap leaves behind
    assert _said(directory) == []
    assert directory.external_secret(PULL) is not None
    assert not directory.complete()


def test_links_are_followed_beneath_the_folder_only(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.yaml").write_text(push("b", path="platform-data/postgres/b"))
    (folder / "out.yaml").symlink_to(outside / "b.yaml")
    (folder / "dir").symlink_to(outside)
    (folder / "dangling.yaml").symlink_to(folder / "nowhere.yaml")
    (folder / "self").symlink_to(folder)
    directory = WiringDirectory(folder)
    directory.reload()
    assert sorted(each.file for each in directory.snapshot().findings) == [
        "wiring/dangling.yaml", "wiring/dir", "wiring/out.yaml",
    ]  # fmt: skip
    assert not directory.complete()
    assert len(list(directory.push_secrets())) == 1


def test_a_pipe_is_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    directory = WiringDirectory(folder)
    directory.reload()
    assert [each.file for each in directory.snapshot().findings] == ["wiring/pipe.yaml"]


def test_a_checkout_swapped_by_git_sync_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "wiring"
    for revision, text in (("a1", push()), ("b2", push(more="  deletionPolicy: Delete"))):
        (root / ".worktrees" / revision).mkdir(parents=True)
        (root / ".worktrees" / revision / "all.yaml").write_text(together(STORE, text))
    (root / "current").symlink_to(".worktrees/a1")
    directory = WiringDirectory(root)
    assert len(_said(directory)) == 2
    (root / "next").symlink_to(".worktrees/b2")
    (root / "next").rename(root / "current")
    assert _said(directory) == [("PushSecret platform-data/temporal", "changed")]


def test_the_folder_itself_may_be_the_link(tmp_path: Path) -> None:
    (tmp_path / "rev-1").mkdir()
    (tmp_path / "rev-1" / "a.yaml").write_text(STORE)
    (tmp_path / "wiring").symlink_to("rev-1")
    directory = WiringDirectory(tmp_path / "wiring")
    assert len(_said(directory)) == 1
    assert directory.complete()


def test_readers_see_one_snapshot_or_the_next(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    torn: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = directory.snapshot()
            if len(snapshot.producers_of_path(PATH)) != len(list(snapshot.push_secrets())):
                torn.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        (folder / "push.yaml").write_text(push(more=f"  refreshInterval: {turn + 1}s"))
        directory.reload()
    done.set()
    reader.join()
    assert torn == []


def test_each_manifest_that_is_used_as_it_was_says_why(folder: Path) -> None:
    directory = WiringDirectory(folder)
    both = together(push(), push("b", path="platform-data/postgres/b"), push("c", path="platform-data/postgres/c"))
    (folder / "push.yaml").write_text(both)
    directory.reload()
    wrong = push("b", path="platform-data/postgres/b", more="  nonsense: 1")
    (folder / "push.yaml").write_text(together(push(), "x: [\n", wrong))
    directory.reload()
    why = {ref.name: finding.message for ref, finding in directory.snapshot().former.items()}
    assert set(why) == {"b", "c"}, "the sound one counts as it is written"
    assert "spec.nonsense" in why["b"]
    assert "is not YAML" in why["c"]


def test_a_folder_that_cannot_be_read_leaves_everything_beneath_it_as_it_was(folder: Path) -> None:
    directory = WiringDirectory(folder)
    directory.reload()
    (folder / "temporal").rename(folder / ".away")
    (folder / "temporal").symlink_to(folder.parent)
    directory.reload()
    (why,) = directory.snapshot().former.values()
    assert "leads out of the folder" in why.message
    (folder / "temporal").unlink()
    (folder / ".away").rename(folder / "temporal")
    directory.reload()
    assert (dict(directory.snapshot().former), directory.complete()) == ({}, True)
