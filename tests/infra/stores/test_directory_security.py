"""What somebody who can write below a namespace may try, and what the file system may answer."""

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.references import SecretRef
from functions._failures import Conflict, Reject, Retry, Unavailable
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.stores.directory import DirectorySecrets, Owner
from tests.infra.stores import directory_producers as producers

REF = SecretRef(namespace="temporal", name="db")
STRANGER = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to other users")


def content(raw: bytes = b"new") -> SecretContent:
    data = {"password": SecretValue(raw)}
    return SecretContent(data=data, stamp={}, owner="ExternalSecret temporal/db", managed=frozenset(data))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What nobody may be led to."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "password").write_bytes(b"canary-value")
    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def refused(root: Path, **settings: dict[str, Owner]) -> str:
    """The reason why the Secret can be neither read nor looked at."""
    secrets = DirectorySecrets(root, settle=0, owners=settings.get("owners"))
    reasons = set()
    for look in (secrets.read, secrets.head):
        with pytest.raises(Reject) as raised:
            look(REF)
        reasons.add(raised.value.reason)
    (reason,) = reasons
    assert "canary" not in reason
    assert str(root) not in reason
    return reason


# --- symlinks -----------------------------------------------------------------------------------------------------


def test_a_key_that_leads_away_is_not_followed(root: Path, outside: Path) -> None:
    producers.write(root, REF, {"username": b"u"})
    (producers.place(root, REF) / "password").symlink_to(outside / "password")
    assert "symlink" in refused(root)


def test_a_key_behind_data_that_leads_away_is_not_followed(root: Path, outside: Path) -> None:
    producers.swap(root, REF, {"username": b"u"})
    (producers.place(root, REF) / "..data" / "password").symlink_to(outside / "password")
    assert "symlink" in refused(root)


@pytest.mark.parametrize("target", ["/etc", "../other", "..", ".", "x", "..x/../../other", "../../..", "..data"])
def test_a_data_link_that_leads_out_of_its_directory_is_refused(root: Path, target: str) -> None:
    producers.swap(root, SecretRef(namespace="temporal", name="other"), {"password": b"canary-value"})
    producers.place(root, REF).mkdir()
    (producers.place(root, REF) / "..data").symlink_to(target)
    assert "..data" in refused(root)


def test_a_content_that_is_itself_a_symlink_is_refused(root: Path, outside: Path) -> None:
    producers.swap(root, REF, {"password": b"p"})
    link = producers.place(root, REF) / "..data"
    link.unlink()
    (link.parent / "..x").symlink_to(outside)
    link.symlink_to("..x")
    assert "symlink" in refused(root)


def test_a_data_directory_instead_of_a_link_is_refused(root: Path) -> None:
    producers.place(root, REF).mkdir(parents=True)
    (producers.place(root, REF) / "..data").mkdir()
    assert "..data" in refused(root)


@pytest.mark.parametrize("level", ["secret", "namespace", "namespaces"])
def test_a_symlinked_directory_is_refused_for_reading_and_writing(root: Path, outside: Path, level: str) -> None:
    elsewhere = outside / "tree"
    producers.swap(elsewhere, REF, {"password": b"canary-value"})
    where = {"secret": producers.place(Path(), REF), "namespace": producers.place(Path(), REF).parent}
    relative = where.get(level, Path("namespaces"))
    (root / relative).parent.mkdir(parents=True, exist_ok=True)
    (root / relative).symlink_to(elsewhere / relative)
    before = sorted(str(path) for path in elsewhere.rglob("*"))
    assert "symlink" in refused(root)
    with pytest.raises(Reject):
        DirectorySecrets(root).create(REF, content())
    assert sorted(str(path) for path in elsewhere.rglob("*")) == before


def test_metadata_that_leads_away_is_not_followed(root: Path, outside: Path) -> None:
    (outside / "metadata").write_text('{"labels": {"app": "canary-value"}}')
    producers.swap(root, REF, {"password": b"p"})
    for name in ("..metadata.json", "..lockstep.json"):
        link = producers.place(root, REF) / name
        link.symlink_to(outside / "metadata")
        assert "symlink" in refused(root)
        link.unlink()


def test_a_visible_name_that_leads_away_is_refused_beside_a_producers_content(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producers.swap(root, REF, {"password": b"p"})
    link = producers.place(root, REF) / "password"
    link.unlink()
    link.symlink_to(outside / "password")
    with pytest.raises(Retry, match="beside"):  # it may be being tidied
        DirectorySecrets(root).read(REF)
    _let_a_minute_pass(monkeypatch)
    assert "beside ..data" in refused(root)


def test_writing_replaces_a_planted_symlink_and_never_writes_through_it(root: Path, outside: Path) -> None:
    secrets = DirectorySecrets(root)
    secrets.create(REF, content(b"old"))
    link = producers.place(root, REF) / "password"
    link.unlink()
    link.symlink_to(outside / "password")
    head = secrets.head(REF)
    assert head
    assert head.drifted
    secrets.update(REF, content(), head.state)
    assert (outside / "password").read_bytes() == b"canary-value"
    assert producers.values(root, REF) == {"password": b"new"}


def test_removing_leftovers_follows_no_symlink(root: Path, outside: Path) -> None:
    secrets = DirectorySecrets(root)
    state = secrets.create(REF, content(b"old"))
    (producers.place(root, REF) / "..2026_01_01_00_00_00.000000001-0123456789abcdef").symlink_to(outside)
    secrets.update(REF, content(), state)
    assert (outside / "password").exists()
    assert len(list(producers.place(root, REF).iterdir())) == 4


# --- what is no file ----------------------------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(path.parent)  # the path of a socket may be 108 bytes long at most
        try:
            made.bind(path.name)
        finally:
            os.chdir(before)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user or container may not make device files")


@pytest.mark.parametrize("plant", [_fifo, _socket, _device, Path.mkdir])
@pytest.mark.parametrize("swapped", [True, False])
def test_only_regular_files_are_read(root: Path, plant: Callable[[Path], None], swapped: bool) -> None:
    (producers.swap if swapped else producers.write)(root, REF, {"username": b"u"})
    plant(producers.place(root, REF) / ("..data/password" if swapped else "password"))
    assert "no regular file" in refused(root)


def test_a_file_with_a_second_name_elsewhere_is_refused(root: Path, outside: Path) -> None:
    producers.write(root, REF, {"username": b"u"})
    os.link(outside / "password", producers.place(root, REF) / "password")
    assert "hard links" in refused(root)


def test_a_file_where_the_secrets_directory_belongs_is_refused(root: Path) -> None:
    producers.place(root, REF).parent.mkdir(parents=True)
    producers.place(root, REF).write_bytes(b"canary-value")
    assert "directory belongs" in refused(root)
    with pytest.raises(Reject):
        DirectorySecrets(root).create(REF, content())


def test_a_directory_under_the_name_of_a_key_is_refused_before_anything_is_written(root: Path) -> None:
    (producers.place(root, REF) / "password").mkdir(parents=True)
    before = sorted(path for path in root.rglob("*"))
    with pytest.raises(Reject):
        DirectorySecrets(root, settle=0).create(REF, content())
    assert sorted(path for path in root.rglob("*")) == before


@pytest.mark.parametrize("name", ["schlüssel", "a b", "a\nb", "k" * 254])
def test_a_file_whose_name_is_no_key_is_refused_and_printed_harmlessly(root: Path, name: str) -> None:
    producers.write(root, REF, {"password": b"p", name: b"v"})
    reason = refused(root)
    assert "cannot be a key" in reason
    assert reason.isascii()
    assert "\n" not in reason


def test_more_than_a_mebibyte_is_refused_without_being_read(root: Path) -> None:
    producers.swap(root, REF, {"password": b"p"})
    with (producers.place(root, REF) / "..data" / "huge").open("wb") as huge:
        huge.truncate(1 << 40)  # a sparse tebibyte
    assert "1 MiB" in refused(root)


def test_more_keys_than_any_secret_has_are_refused(root: Path) -> None:
    producers.write(root, REF, {f"k{number}": b"" for number in range(4097)})
    assert "4096 keys" in refused(root)


# --- owners -------------------------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize(
    "path", ["temporal", "temporal/db", "temporal/db/..data/password", "temporal/db/..data", "temporal/db/..meta"]
)
def test_what_belongs_to_a_stranger_is_refused_unless_the_namespace_does(root: Path, path: str) -> None:
    producers.swap(root, REF, {"password": b"p"}, labels={})
    path = path.replace("..meta", "..data/..metadata.json")
    os.chown((root / "namespaces" / path).resolve(), STRANGER, -1)
    assert f"uid {STRANGER}" in refused(root)
    assert "54322" not in refused(root, owners={"temporal": Owner(uid=54322)})
    assert DirectorySecrets(root, owners={"temporal": Owner(uid=STRANGER)}).read(REF)


@needs_root
def test_writing_into_a_strangers_directory_is_refused(root: Path) -> None:
    producers.place(root, REF).mkdir(parents=True)
    os.chown(producers.place(root, REF), STRANGER, -1)
    with pytest.raises(Reject, match=str(STRANGER)):
        DirectorySecrets(root).create(REF, content())
    assert list(producers.place(root, REF).iterdir()) == []


# --- locks --------------------------------------------------------------------------------------------------------


def test_somebody_who_holds_the_lock_holds_up_nothing_for_long(root: Path) -> None:
    secrets = DirectorySecrets(root, lock_wait=0.05)
    state = secrets.create(REF, content(b"old"))
    held = os.open(producers.place(root, REF), os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Retry, match="locked"):
            secrets.update(REF, content(), state)
        assert secrets.clean() == 0
        assert secrets.read(REF)  # readers need no lock
    finally:
        os.close(held)
    secrets.update(REF, content(), state)


def test_a_secret_deleted_while_a_writer_waits_for_it_is_not_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = DirectorySecrets(root)
    state = secrets.create(REF, content(b"old"))
    real = fcntl.flock

    def deleted_meanwhile(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        secrets.delete(REF, state)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", deleted_meanwhile)
    with pytest.raises(Conflict):
        secrets.update(REF, content(), state)
    assert secrets.read(REF) is None


# --- what the file system may answer ------------------------------------------------------------------------------


class Fault:
    """Makes the nth of these calls fail with what the kernel might answer."""

    def __init__(self, call: str, nth: int, code: int) -> None:
        self.left, self.code, self.real = nth, code, getattr(os, call)

    def __call__(self, *args: object, **kwargs: object) -> object:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, "canary-value")
        return self.real(*args, **kwargs)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EMFILE, errno.EIO])
@pytest.mark.parametrize(
    ("call", "nth"),
    [("mkdir", 1), ("write", 1), ("write", 2), ("write", 3), ("fdatasync", 1), ("fdatasync", 2), ("fchmod", 1)]
    + [("symlink", nth) for nth in (1, 2, 3)] + [("rename", 1), ("rename", 2)],
)  # fmt: skip
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int, code: int
) -> None:
    secrets = DirectorySecrets(root)
    state = secrets.create(REF, content(b"old"))
    before = sorted(str(path) for path in root.rglob("*"))
    changed = SecretContent(
        data={"other": SecretValue(b"canary-value"), "third": SecretValue(b"canary-value")},
        stamp={}, owner="ExternalSecret temporal/another", managed=frozenset({"other", "third"}),
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(os, call, Fault(call, nth, code))
        with pytest.raises(Unavailable) as raised:
            secrets.update(REF, changed, state)
    assert raised.value.dependency == "directory"
    assert str(raised.value).startswith("temporal/db: cannot write it: ")
    assert str(root) not in str(raised.value)
    assert "canary" not in str(raised.value)
    head = secrets.head(REF)
    assert head
    assert (head.state, head.drifted) == (state, False)
    assert producers.values(root, REF) == {"password": b"old"}
    assert sorted(str(path) for path in root.rglob("*")) == before


def run_as_nobody(root: Path, script: str) -> str:
    """Run Python as another user, who may reach `root` but not write where root wrote; what it prints."""
    code = textwrap.dedent(
        f"""
        import os, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from tests.infra.stores.test_directory_security import *
        os.setgid({STRANGER}); os.setuid({STRANGER})
        root = Path({str(root)!r})
        """
    ) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def reachable(root: Path) -> Iterator[Path]:
    """A root that other users may pass through, as far up as this test made it."""
    passed = [path for path in (root, *root.parents) if not path.stat().st_mode & stat.S_IXOTH]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in passed}
    for path, mode in modes.items():
        path.chmod(mode | stat.S_IXOTH)
    yield root
    for path, mode in modes.items():
        path.chmod(mode)


@needs_root
def test_a_consumer_directory_made_read_only_is_unavailable_and_names_what_to_do(reachable: Path) -> None:
    secrets = DirectorySecrets(reachable, owners={"temporal": Owner(uid=STRANGER)})
    secrets.create(REF, content(b"old"))
    producers.place(reachable, REF).chmod(0o500)
    printed = run_as_nobody(
        reachable,
        """
        secrets = DirectorySecrets(root, owners={"temporal": Owner(uid=STRANGER)})
        state = secrets.head(REF).state
        try:
            secrets.update(REF, content(), state)
        except Unavailable as failure:
            print(failure)
        """,
    )
    assert printed.strip() == (
        f"temporal/db: cannot write it: permission is refused: let the user that runs Lockstep (uid {STRANGER}) "
        "read and write there"
    )
    assert producers.values(reachable, REF) == {"password": b"old"}
    assert len(list(producers.place(reachable, REF).iterdir())) == 4


@needs_root
def test_a_secret_that_may_not_be_read_is_unavailable_not_absent(reachable: Path) -> None:
    producers.swap(reachable, REF, {"password": b"p"})
    producers.place(reachable, REF).chmod(0o700)
    printed = run_as_nobody(
        reachable,
        """
        for look in (DirectorySecrets(root).read, DirectorySecrets(root).head):
            try:
                print(look(REF))
            except Unavailable as failure:
                print(failure.dependency)
        """,
    )
    assert printed.split() == ["directory", "directory"]


@needs_root
def test_giving_files_away_without_the_right_to_names_it(reachable: Path) -> None:
    home = reachable / "theirs"
    home.mkdir()
    os.chown(home, STRANGER, -1)
    printed = run_as_nobody(
        home,
        """
        try:
            DirectorySecrets(root, owners={"temporal": Owner(uid=1)}).create(REF, content())
        except Unavailable as failure:
            print(failure)
        """,
    )
    assert "CAP_CHOWN" in printed


@pytest.fixture
def small(root: Path) -> Iterator[Path]:
    """A root on a file system of 64 KiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "lockstep-test", str(root)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip("this user or container may not mount a small file system")
    yield root
    subprocess.run(["umount", str(root)], check=True)


def test_a_full_file_system_is_unavailable_until_there_is_room(small: Path) -> None:
    secrets = DirectorySecrets(small)
    state = secrets.create(REF, content(b"old"))
    before = sorted(str(path) for path in small.rglob("*"))
    with pytest.raises(Unavailable, match="full"):
        secrets.update(REF, content(b"x" * 100_000), state)
    assert sorted(str(path) for path in small.rglob("*")) == before
    assert producers.values(small, REF) == {"password": b"old"}
    secrets.update(REF, content(b"small"), state)


def test_a_root_that_is_not_there_is_empty_to_readers_and_unavailable_to_writers(tmp_path: Path) -> None:
    secrets = DirectorySecrets(tmp_path / "none")
    assert secrets.read(REF) is None
    with pytest.raises(Unavailable, match="root directory"):
        secrets.create(REF, content())


def _let_a_minute_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + 60 * 10**9)
