"""The layout on disk: what consumers see, what is noticed, what is left behind."""

import errno
import os
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from events.references import SecretRef
from functions._failures import Reject, Retry, Unavailable
from functions._manifests.selector import LabelSelector
from functions._ports import Secret, SecretContent
from functions._values import SecretValue
from infra.stores.directory import DirectorySecrets, Owner, metadata
from tests.infra.stores import directory_producers as producers

REF = SecretRef(namespace="temporal", name="db-credentials")
OWNER = "ExternalSecret temporal/db"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to other users")


def content(data: Mapping[str, bytes], managed: frozenset[str] | None = None) -> SecretContent:
    values = {key: SecretValue(raw) for key, raw in data.items()}
    return SecretContent(data=values, stamp={}, owner=OWNER, managed=frozenset(data) if managed is None else managed)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# --- reading beside others ----------------------------------------------------------------------------------------


def test_a_read_beside_others_goes_on_while_nobody_waits_for_it(tmp_path: Path) -> None:
    began = threading.Event()

    class Noting(DirectorySecrets):
        def read(self, ref: SecretRef) -> Secret | None:
            began.set()
            return super().read(ref)

    secrets = Noting(tmp_path)
    state = secrets.create(REF, content({"k": b"1"}))
    with secrets.reading(REF) as found:
        assert began.wait(20), "before anybody asks for what it finds"
        read = found()
    assert read is not None
    assert read.state == state
    secrets.close()


def test_what_fails_beside_others_is_raised_where_it_is_asked_for(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    producers.swap(tmp_path, REF, {"k": b"1"})
    (directory / "..data").unlink()
    (directory / "..data").symlink_to("/etc")
    with secrets.reading(REF):
        pass
    with secrets.reading(REF) as found, pytest.raises(Reject):
        found()
    secrets.close()


# --- the layout ---------------------------------------------------------------------------------------------------


def test_consumers_see_what_a_kubelet_would_mount(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    state = secrets.create(REF, content({"username": b"u", "password": b"p"}))
    assert os.readlink(directory / "..data") == state
    assert os.readlink(directory / "password") == "..data/password"
    assert producers.values(tmp_path, REF) == {"username": b"u", "password": b"p"}
    assert {entry.name for entry in directory.iterdir()} == {
        "username", "password", "..data", state, "..lockstep.json",
    }  # fmt: skip


def test_an_update_leaves_nothing_of_the_old_content(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    first = secrets.create(REF, content({"old": b"1", "both": b"1"}))
    second = secrets.update(REF, content({"both": b"2", "new": b"2"}), first)
    assert producers.values(tmp_path, REF) == {"both": b"2", "new": b"2"}
    assert {entry.name for entry in directory.iterdir()} == {"both", "new", "..data", second, "..lockstep.json"}


def test_what_was_replaced_is_removed_a_moment_later_where_that_is_asked(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path, tidy_after=0.001)
    state = secrets.create(REF, content({"password": b"old", "gone": b"x"}))
    for number in range(5):
        state = secrets.update(REF, content({"password": b"new", "n": b"%d" % number}), state)
    secrets.close()
    directory = producers.place(tmp_path, REF)
    assert sorted(name for name in os.listdir(directory) if name.startswith("..2")) == [
        os.readlink(directory / "..data")
    ]
    found = secrets.read(REF)
    assert found is not None
    assert {key: value.reveal() for key, value in found.data.items()} == {"password": b"new", "n": b"4"}
    secrets.delete(REF, state)
    secrets.close()
    assert secrets.read(REF) is None


def test_an_update_never_touches_a_content_that_a_consumer_holds_open(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    state = secrets.create(REF, content({"password": b"old"}))
    with (directory / "password").open("rb") as held:
        secrets.update(REF, content({"password": b"new"}), state)
        assert held.read() == b"old"
    assert (directory / "password").read_bytes() == b"new"


def test_modes_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        DirectorySecrets(tmp_path).create(REF, content({"k": b"v"}))
    finally:
        os.umask(before)
    directory = producers.place(tmp_path, REF)
    assert [mode(path) for path in (directory.parent, directory, directory / os.readlink(directory / "..data"))] == [
        0o700, 0o700, 0o700,
    ]  # fmt: skip
    assert {mode((directory / "..data" / name).resolve()) for name in ("k", "..lockstep.json")} == {0o600}


@needs_root
def test_a_namespace_has_its_own_owner_and_group(tmp_path: Path) -> None:
    owners = {
        "temporal": Owner(uid=12345, gid=23456),
        "backstage": Owner(uid=12346, directory_mode=0o711, file_mode=0o400),
    }
    secrets = DirectorySecrets(tmp_path, owners=owners)
    for namespace in ("temporal", "backstage", "plain"):
        secrets.create(SecretRef(namespace=namespace, name="s"), content({"k": b"v"}))
    found: dict[str, list[tuple[int, int, str]]] = {}
    for namespace in ("temporal", "backstage", "plain"):
        directory = tmp_path / "namespaces" / namespace / "s"
        for path in (directory.parent, directory, (directory / "..data").resolve(), (directory / "k").resolve()):
            status = path.stat()
            found.setdefault(namespace, []).append((status.st_uid, status.st_gid, oct(mode(path))))
    assert found == {
        "temporal": [(12345, 23456, "0o750")] * 3 + [(12345, 23456, "0o640")],
        "backstage": [(12346, 0, "0o711")] * 3 + [(12346, 0, "0o400")],
        "plain": [(0, 0, "0o700")] * 3 + [(0, 0, "0o600")],
    }


def test_head_opens_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = DirectorySecrets(tmp_path)
    secrets.create(REF, content({"password": b"p"}))
    opened: list[str] = []
    real = os.open

    def watched(path: str, *args: int, **kwargs: int) -> int:
        opened.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(metadata, "_known", {})
    assert secrets.head(REF)
    assert "..lockstep.json" in opened
    assert "password" not in opened
    opened.clear()
    assert secrets.head(REF)
    assert "..lockstep.json" not in opened, "it is what it was, so it is known"


def test_listings_name_what_can_be_a_secret(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path)
    assert (secrets.list_namespaces(), secrets.list("temporal")) == ((), ())
    other = SecretRef(namespace="backstage", name="b")
    for ref in (REF, other):
        producers.swap(tmp_path, ref, {"k": b"v"})
    (tmp_path / "namespaces" / "lost+found").mkdir()
    (tmp_path / "namespaces" / "README").write_text("not a namespace")
    (tmp_path / "namespaces" / "linked").symlink_to("temporal")
    (tmp_path / "namespaces" / "temporal" / "..deleted-x").mkdir()
    (tmp_path / "namespaces" / "temporal" / "Capital").mkdir()
    assert secrets.list_namespaces() == ("backstage", "temporal")
    assert secrets.list("temporal") == (REF,)


# --- producers without ..data -------------------------------------------------------------------------------------


def test_files_without_data_link_are_published_once_they_lie_still(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path, settle=3600)
    producers.write(tmp_path, REF, {"password": b"p"})
    for look in (secrets.read, secrets.head):
        with pytest.raises(Retry, match="still being written") as raised:
            look(REF)
        assert raised.value.after
    still = DirectorySecrets(tmp_path, settle=0)
    found = still.read(REF)
    assert found
    assert {key: value.reveal() for key, value in found.data.items()} == {"password": b"p"}


def test_a_file_that_changes_between_the_two_looks_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producers.write(tmp_path, REF, {"password": b"half"})
    path, real, count = producers.place(tmp_path, REF) / "password", os.listdir, [0]

    def listing(handle: int) -> list[str]:
        count[0] += 1
        if count[0] == 2:
            path.write_bytes(b"half and half")
        return real(handle)

    monkeypatch.setattr(os, "listdir", listing)
    with pytest.raises(Retry):
        DirectorySecrets(tmp_path, settle=0).read(REF)


def test_a_clock_that_was_set_back_does_not_hide_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producers.write(tmp_path, REF, {"password": b"p"})
    monkeypatch.setattr("time.time_ns", lambda: 10**18)  # 2001
    assert DirectorySecrets(tmp_path, settle=5).read(REF)


def test_the_state_of_plain_files_follows_every_change(tmp_path: Path) -> None:
    secrets, states = DirectorySecrets(tmp_path, settle=0), []
    for raw in (b"A", b"B", b"A"):
        producers.write(tmp_path, REF, {"password": raw})
        path = producers.place(tmp_path, REF) / "password"
        os.utime(path, ns=(10**18, 10**18))  # as `cp -p` or a restored backup would; only ctime tells
        head = secrets.head(REF)
        assert head
        states.append(head.state)
        deadline = path.stat().st_ctime_ns
        while (path.parent / "probe").exists() or _tick(path.parent) <= deadline:
            pass  # the kernel's clock goes in ticks; `settle` sees to that outside of this test
    assert len(set(states)) == 3


def _tick(directory: Path) -> int:
    probe = directory.parent / "probe"
    probe.write_bytes(b"")
    return probe.stat().st_ctime_ns


@pytest.mark.parametrize("names", [(), ("..data_tmp",), ("..metadata.json",)])
def test_a_directory_without_keys_is_no_secret_yet(tmp_path: Path, names: tuple[str, ...]) -> None:
    producers.place(tmp_path, REF).mkdir(parents=True)
    for name in names:
        (producers.place(tmp_path, REF) / name).write_text("{}")
    assert DirectorySecrets(tmp_path, settle=0).read(REF) is None


def test_labels_of_plain_files_come_from_beside_them(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path, settle=0)
    producers.write(tmp_path, REF, {"k": b"v", "..metadata.json": b'{"labels": {"app": "db"}, "type": "t"}'})
    found = secrets.read(REF)
    assert found
    assert (dict(found.labels), found.type, set(found.data)) == ({"app": "db"}, "t", {"k"})
    assert secrets.select("temporal", LabelSelector(match_labels={"app": "db"})) == (REF,)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"labels": {"a": 1}}', b'{"labels": "canary-value"}', b"\xff"])
def test_metadata_that_is_none_is_refused_without_quoting_it(tmp_path: Path, raw: bytes) -> None:
    producers.write(tmp_path, REF, {"k": b"v", "..metadata.json": raw})
    with pytest.raises(Reject, match=r"\.\.metadata\.json") as refused:
        DirectorySecrets(tmp_path, settle=0).read(REF)
    assert "canary" not in str(refused.value)
    with pytest.raises(Retry, match="still being written"):
        DirectorySecrets(tmp_path, settle=3600).read(REF)


# --- half-written behind ..data -----------------------------------------------------------------------------------


def test_a_data_link_to_nothing_is_half_written(tmp_path: Path) -> None:
    directory = producers.place(tmp_path, REF)
    directory.mkdir(parents=True)
    (directory / "..data").symlink_to("..2026_coming")
    with pytest.raises(Retry) as raised:
        DirectorySecrets(tmp_path).read(REF)
    assert raised.value.after


def test_a_content_being_removed_is_half_written_and_a_stale_link_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = DirectorySecrets(tmp_path)
    producers.swap(tmp_path, REF, {"a": b"1", "b": b"2"})
    (producers.place(tmp_path, REF) / "..data" / "a").unlink()
    with pytest.raises(Retry, match="leads to nothing"):
        secrets.read(REF)
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 60 * 10**9)
    found = secrets.read(REF)
    assert found
    assert set(found.data) == {"b"}


def test_a_content_swapped_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, real, swaps = DirectorySecrets(tmp_path), os.listdir, [0]
    producers.swap(tmp_path, REF, {"a": b"0", "b": b"0"})

    def listing(handle: int) -> list[str]:
        names = real(handle)
        if swaps[0] < 3:
            swaps[0] += 1
            producers.swap(tmp_path, REF, {"a": b"%d" % swaps[0], "b": b"%d" % swaps[0]})
        return names

    with monkeypatch.context() as patched:
        patched.setattr("infra.stores.directory.handles.os.listdir", listing)
        found = secrets.read(REF)
    assert found
    assert {value.reveal() for value in found.data.values()} == {b"3"}


# --- drift --------------------------------------------------------------------------------------------------------


def drifted(secrets: DirectorySecrets) -> tuple[bool, str]:
    head = secrets.head(REF)
    assert head
    return head.drifted, head.owner


def test_a_content_swapped_for_ours_is_drift_and_still_ours(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path)
    secrets.create(REF, content({"k": b"ours"}))
    producers.swap(tmp_path, REF, {"k": b"theirs"})
    assert drifted(secrets) == (True, OWNER)
    found = secrets.read(REF)
    assert found
    assert found.managed == {"k"}
    secrets.update(REF, content({"k": b"ours"}), found.state)
    assert drifted(secrets) == (False, OWNER)
    assert producers.values(tmp_path, REF) == {"k": b"ours"}


def test_a_visible_name_that_somebody_replaced_is_drift_and_is_mended(tmp_path: Path) -> None:
    secrets, path = DirectorySecrets(tmp_path), producers.place(tmp_path, REF) / "k"
    secrets.create(REF, content({"k": b"ours"}))
    for replace in (lambda: None, lambda: path.write_bytes(b"sed -i"), lambda: path.symlink_to("/etc/hostname")):
        path.unlink()
        replace()
        head = secrets.head(REF)
        assert head
        assert head.drifted
        secrets.update(REF, content({"k": b"ours"}), head.state)
        assert os.readlink(path) == "..data/k"
        assert drifted(secrets) == (False, OWNER)


def test_a_key_that_was_removed_or_emptied_is_drift(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path)
    secrets.create(REF, content({"a": b"1", "b": b"1"}))
    (producers.place(tmp_path, REF) / "a").write_bytes(b"")  # what a machine's crash might have left
    assert drifted(secrets) == (True, OWNER)
    (producers.place(tmp_path, REF) / "..data" / "a").unlink()
    assert drifted(secrets) == (True, OWNER)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b'{"version": "x"}'])
def test_damaged_metadata_of_ours_is_drift(tmp_path: Path, raw: bytes) -> None:
    secrets = DirectorySecrets(tmp_path)
    secrets.create(REF, content({"a": b"1"}))
    (producers.place(tmp_path, REF) / "..data" / "..lockstep.json").write_bytes(raw)
    assert drifted(secrets) == (True, OWNER)


def test_a_foreign_file_beside_a_managed_content_is_left_alone(tmp_path: Path) -> None:
    secrets, readme = DirectorySecrets(tmp_path), producers.place(tmp_path, REF) / "README"
    state = secrets.create(REF, content({"a": b"1"}))
    readme.write_text("theirs")
    assert drifted(secrets) == (False, OWNER)
    secrets.update(REF, content({"b": b"1"}), state)
    assert readme.read_text() == "theirs"


def test_a_merge_that_dies_while_it_takes_over_plain_files_can_be_read_and_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = DirectorySecrets(tmp_path, settle=0)
    producers.write(tmp_path, REF, {"theirs": b"t", "ours": b"old"})
    merged = content({"theirs": b"t", "ours": b"new"}, managed=frozenset({"ours"}))
    head = secrets.head(REF)
    assert head
    with monkeypatch.context() as patched:
        patched.setattr("infra.stores.directory.writing._mend_links", _die)
        with pytest.raises(Unavailable):
            secrets.update(REF, merged, head.state)
    found = secrets.read(REF)
    assert found
    assert found.drifted
    assert {key: value.reveal() for key, value in found.data.items()} == {"theirs": b"t", "ours": b"new"}
    secrets.update(REF, merged, found.state)
    assert producers.values(tmp_path, REF) == {"theirs": b"t", "ours": b"new"}
    assert drifted(secrets) == (False, OWNER)


def _die(*_: object) -> None:
    raise OSError(errno.EIO, "input/output error")


# --- leftovers ----------------------------------------------------------------------------------------------------


def leave_behind(directory: Path) -> None:
    """What kill -9 leaves when it strikes before the rename."""
    stamp = "..2026_01_01_00_00_00.000000001-0123456789abcdef"
    (directory / stamp).mkdir()
    (directory / stamp / "password").write_bytes(b"canary-value")
    (directory / f"..tmp-{stamp[2:]}").symlink_to(stamp)


def test_the_next_write_removes_what_a_crash_left(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    state = secrets.create(REF, content({"k": b"1"}))
    leave_behind(directory)
    state = secrets.update(REF, content({"k": b"2"}), state)
    assert {entry.name for entry in directory.iterdir()} == {"k", "..data", state, "..lockstep.json"}


def test_a_creation_goes_on_where_a_crash_left_a_half_made_one(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    directory.mkdir(parents=True)
    leave_behind(directory)
    (directory / "k").symlink_to("..data/k")
    assert secrets.read(REF) is None
    state = secrets.create(REF, content({"k": b"1"}))
    assert {entry.name for entry in directory.iterdir()} == {"k", "..data", state, "..lockstep.json"}


def test_the_start_removes_what_crashes_left_and_nothing_else(tmp_path: Path) -> None:
    secrets, directory = DirectorySecrets(tmp_path), producers.place(tmp_path, REF)
    secrets.create(REF, content({"k": b"1"}))
    producers.swap(tmp_path, SecretRef(namespace="temporal", name="source"), {"k": b"theirs"})
    (producers.place(tmp_path, REF).parent / "source" / "..staging").mkdir()
    before = {str(path) for path in tmp_path.rglob("*")}
    leave_behind(directory)
    doomed = directory.parent / "..deleted-2026_01_01_00_00_00.000000001-0123456789abcdef"
    doomed.mkdir()
    (doomed / "password").write_bytes(b"canary-value")
    assert secrets.clean() == 3
    assert {str(path) for path in tmp_path.rglob("*")} == before
    assert secrets.clean() == 0


def test_deleting_leaves_nothing(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path)
    state = secrets.create(REF, content({"k": b"1"}))
    (producers.place(tmp_path, REF) / "README").write_text("theirs")
    secrets.delete(REF, state)
    assert list((tmp_path / "namespaces" / "temporal").iterdir()) == []


def test_a_refused_creation_leaves_nothing(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path)
    with pytest.raises(Reject):
        secrets.create(REF, content({"a/b": b"1"}))
    assert not (tmp_path / "namespaces").exists()
