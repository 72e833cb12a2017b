"""What the machine does to it: a full disk, a directory that may not be written, a clock that is set back."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import Team, at_authority
from tests.instance import Installation, Running, external_secret, push_secret
from tests.openbao import OpenBao


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))


def arrives(up: Running, team: Team, value: bytes) -> None:
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": value}, f"{value!r} at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


@contextlib.contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """A mount for as long as the block lasts; skips the test where mounting is not allowed."""
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(openbao: OpenBao, tmp_path: Path) -> Iterator[Installation]:
    """A ROOT on a file system of 24 MiB of its own; its authority is elsewhere."""
    root = tmp_path / "disk" / "root"
    root.parent.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=24m", "tmpfs", str(root.parent)):
        yield at_authority(root, openbao.settings.address, openbao)


def fill(disk: Path) -> Path:
    """Take all space that is left, to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return ballast


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Installation, team: Team) -> None:
    with small_disk.running() as up:
        wire(up, team)
        up.at.put(team.producer, "credentials", {"password": b"before"})
        arrives(up, team, b"before")
        # A producer elsewhere on the machine: its Secret is made before the disk is full, and swapped in later.
        folder = up.root / "namespaces" / team.producer / "credentials"
        (folder / "..newer").mkdir()
        (folder / "..newer" / "password").write_bytes(b"after")
        (folder / "..data_tmp").symlink_to("..newer")
        ballast = fill(up.root.parent)
        refused = None
        for number in range(2000):  # until what the database has in hand is used up too
            answer = up.send("com.example.filler", {"filler": "x" * 4000}, id=f"filler-{number}")
            if answer.status != 202:
                refused = answer
                break
        assert refused is not None, "the disk never was full"
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        # Something small, a tick of the sweep, may still find room beside what was refused.
        up.wait_for(
            lambda: up.send("com.example.filler").status == 503 and up.status()["broker"]["full"],
            "no room for anything",
        )
        (folder / "..data_tmp").rename(folder / "..data")
        up.wait_for(lambda: "not published yet" in up.wrong(team.full_path), "status to tell of the change")
        assert up.at.values(team.consumer, "postgres") == {"password": b"before"}
        assert not up.in_step(team.full_path)
        ballast.unlink()
        arrives(up, team, b"after")
        assert up.send("com.example.filler").status == 202
        assert not up.status()["broker"]["full"]
        up.wait_idle()
        assert up.at.dead_letters() == []
        accepted = {f"filler-{n}" for n in range(number)}
        stored = {row[0] for row in up.at.query("SELECT id FROM ledger WHERE kind = 'accepted'")}
        assert accepted <= stored, "whatever was answered with 202 is there"


def test_killed_while_the_disk_is_full(small_disk: Installation, team: Team) -> None:
    with small_disk.running() as up:
        wire(up, team)
        up.at.put(team.producer, "credentials", {"password": b"before"})
        arrives(up, team, b"before")
        ballast = fill(up.root.parent)
        for _ in range(2000):
            if up.send("com.example.filler", {"filler": "x" * 4000}).status != 202:
                break
        up.kill()
        ballast.unlink()
        up.at.put(team.producer, "credentials", {"password": b"after"})
        up.restart()
        arrives(up, team, b"after")
        up.wait_idle()
        assert up.at.dead_letters() == []


# --- a consumer that cannot be written ------------------------------------------------------------------------------


def test_a_consumers_read_only_directory_holds_up_nobody_else(external: Installation, team: Team) -> None:
    other = f"{team.consumer}-b"
    with external.running() as up:
        up.at.wire(
            team.name,
            push_secret("postgres", team.source, team.path),
            external_secret(team.target, team.path),
            external_secret(f"{other}/postgres", team.path),
        )
        up.at.put(team.producer, "credentials", {"password": b"before"})
        arrives(up, team, b"before")
        up.wait_for(lambda: up.at.values(other, "postgres") == {"password": b"before"}, "the other consumer")
        namespace = str(up.root / "namespaces" / team.consumer)
        with mounted("--bind", namespace, namespace):
            # Read-only even for root, as a full or failed disk that was remounted is.
            subprocess.run(["mount", "-o", "remount,ro,bind", namespace], check=True)
            up.at.put(team.producer, "credentials", {"password": b"after"})
            up.wait_for(lambda: up.at.values(other, "postgres") == {"password": b"after"}, "the other consumer")
            up.wait_for(lambda: "read-only" in str(trouble(up, team, team.consumer)).lower(), "status to tell why")
            assert trouble(up, team, other) is None
            assert "carries version 1" in up.wrong(team.full_path)
            assert up.at.values(team.consumer, "postgres") == {"password": b"before"}
            up.at.put(team.producer, "credentials", {"password": b"newest"})
            up.wait_for(lambda: up.at.values(other, "postgres") == {"password": b"newest"}, "the other, again")
        arrives(up, team, b"newest")


def trouble(up: Running, team: Team, namespace: str) -> object:
    """What `status` says is not through for a consumer."""
    consumers = up.secret(team.full_path)["consumers"]
    (found,) = (each["trouble"] for each in consumers if each["secret"] == f"{namespace}/postgres")
    return found


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clocked(external: Installation, tmp_path: Path) -> Iterator[tuple[Running, Callable[[float], None]]]:
    """An instance whose wall clock a test sets, in seconds off the real one; its authority's clock stays right."""
    clock = tmp_path / "clock"

    def off(seconds: float) -> None:
        temporary = clock.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.replace(clock)

    off(0)
    host = replace(external, program=(sys.executable, "-m", "tests.e2e.host"), options=("--clock", str(clock)))
    with host.running() as up:
        yield up, off


@pytest.mark.parametrize("seconds", [-86_400.0, -5.0, 86_400.0])
def test_a_clock_that_jumps(
    clocked: tuple[Running, Callable[[float], None]], teams: Callable[[], Team], seconds: float
) -> None:
    (up, off), team, retired = clocked, teams(), teams()
    for each in (team, retired):
        wire(up, each)
        up.at.put(each.producer, "credentials", {"password": b"before"})
        arrives(up, each, b"before")
    off(seconds)
    swept = up.at.events("dev.lockstep.schedule.ticked", "sweep/0")
    up.wait_for(lambda: up.at.events("dev.lockstep.schedule.ticked", "sweep/0") > swept + 2, "sweeps go on")
    for value in (b"after", b"later"):
        up.at.put(team.producer, "credentials", {"password": value})
        arrives(up, team, value)
    up.at.unwire(retired.name)
    up.wait_for(lambda: up.at.values(retired.consumer, "postgres") is None, "retracted")
    assert up.version(team.full_path) == 3
    assert up.at.dead_letters() == []
    assert up.metric("stall_seconds") < 3600
    up.kill()
    off(0)
    up.restart()
    up.at.put(team.producer, "credentials", {"password": b"at last"})
    arrives(up, team, b"at last")
    entries = up.at.query("SELECT n FROM ledger ORDER BY n")
    assert [row[0] for row in entries] == list(range(1, len(entries) + 1))
