"""kill -9 at every I/O call of a change: after the restart nothing is lost, nothing is written twice.

Each call is hit before it is made and after it took effect, until a change passes without meeting the fuse: the
calls are counted by what happens, not by a list. The last "call" of each step is its answer to the broker: killed
after it, the answer is a lost reply.
"""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from events.references import PathRef
from infra.hosts.cli.failures import CommandError
from infra.hosts.configuration import load
from infra.stores.vault.claims import VaultClaims
from tests.e2e.conftest import QUICK, Team
from tests.instance import Installation, Running, external_secret, push_secret

pytestmark = pytest.mark.slow
MOMENTS = ("before", "after")


@dataclass
class Victim:
    """An instance that can be told at which call to die."""

    up: Running
    fuse: Path

    def arm(self, number: int, moment: str) -> None:
        temporary = self.fuse.with_suffix(".new")
        temporary.write_text(f"{number} {moment}")
        temporary.replace(self.fuse)

    def disarm(self) -> None:
        self.fuse.unlink(missing_ok=True)

    def survive(self, done: Callable[[], bool], nudge: Callable[[], object] = lambda: None) -> bool:
        """Wait until it is done; restart it once if it died. Whether it died."""

        def over() -> bool:
            try:
                nudge()
                return done()
            except CommandError:
                return not self.up.alive()  # it died while it was asked

        self.up.wait_for(lambda: not self.up.alive() or over(), "the change or the kill")
        died = not self.up.alive()
        self.disarm()
        if died:
            assert self.up.returncode() == -9, self.up.output()
            self.up.restart()
            self.up.wait_for(lambda: (nudge(), done())[1], "the change after the restart")
        return died

    def calls(self) -> list[str]:
        return [line.split(": ")[1] for line in Path(f"{self.fuse}.calls").read_text().splitlines()]


@pytest.fixture
def victim(external: Installation, tmp_path: Path) -> Iterator[Victim]:
    fuse = tmp_path / "fuse"
    # No sweep comes by itself: what an event left undone, the same event must do after the restart.
    external.configure(
        **{**QUICK, "sweep": {"intervalSeconds": 3600}, "anchor": {"intervalSeconds": 3600}},
        cluster=load(external.root / "lockstep.yaml").cluster,
    )
    host = replace(
        external, program=(sys.executable, "-m", "tests.e2e.host"), options=("--fuse", str(fuse), "--linger", "0.5")
    )
    with host.running() as up:
        yield Victim(up, fuse)


def wire(up: Running, team: Team, **spec: Any) -> None:
    up.at.wire(
        team.name,
        push_secret("postgres", team.source, team.path, **spec),
        external_secret(team.target, team.path),
        external_secret(f"{team.consumer}-b/postgres", team.path),
    )


def arrived(up: Running, team: Team, value: bytes) -> bool:
    expected = {"password": value}
    return (
        up.at.values(team.consumer, "postgres") == expected
        and up.at.values(f"{team.consumer}-b", "postgres") == expected
        and up.in_step(team.full_path)
        and up.at.unfinished() == 0
    )


def nothing_is_wrong(up: Running, team: Team, claims: VaultClaims, writes: int) -> None:
    assert up.at.dead_letters() == []
    assert up.version(team.full_path) == writes, "every change is written once, whenever the process died"
    claim = claims.read(PathRef(mount="secret", path=team.path))
    assert claim is not None
    assert (claim.owner, claim.state, claim.epoch) == (f"PushSecret {team.producer}/postgres", "active", 1)


@pytest.mark.orderly("it dies at a counted call, which a late repetition may be the one to make")
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_every_call_of_a_change(victim: Victim, team: Team, claims: VaultClaims, moment: str) -> None:
    up = victim.up
    wire(up, team)
    up.at.put(team.producer, "credentials", {"password": b"begin"})
    up.wait_for(lambda: arrived(up, team, b"begin"), "the first value")
    for number in itertools.count(1):
        value = f"{moment}-{number}".encode()
        victim.arm(number, moment)
        up.at.put(team.producer, "credentials", {"password": value})
        died = victim.survive(lambda value=value: arrived(up, team, value))  # type: ignore[misc]
        nothing_is_wrong(up, team, claims, writes=number + 1)
        if not died:
            break
    names = set(victim.calls())
    assert number > 12
    assert {"publish authority.write", "publish answers"} <= {name.split(" ", 1)[1] for name in names}


@pytest.mark.orderly("as above")
def test_killed_at_the_calls_of_a_first_value(victim: Victim, teams: Callable[[], Team], claims: VaultClaims) -> None:
    up = victim.up
    for number in itertools.count(1, 2):  # every second call: those of a change are all hit above
        team = teams()
        up.at.put(team.producer, "credentials", {"password": b"first"})
        victim.arm(number, "before")
        wire(up, team)
        died = victim.survive(lambda team=team: arrived(up, team, b"first"))  # type: ignore[misc]
        nothing_is_wrong(up, team, claims, writes=1)
        if not died:
            break
    assert number > 12


def test_killed_while_retracting(victim: Victim, teams: Callable[[], Team], claims: VaultClaims) -> None:
    up, stays = victim.up, teams()
    wire(up, stays)
    up.at.put(stays.producer, "credentials", {"password": b"stays"})

    def sweep() -> None:
        if up.at.unfinished() == 0:
            with contextlib.suppress(OSError):  # it may die while it answers
                up.send("dev.lockstep.schedule.ticked", tick(), subject="schedules/sweep/0")

    # Every third call: each is hit on the ports of memory by tests/functions/test_survival.py.
    for number in itertools.count(1, 3):
        team = teams()
        wire(up, team, deletionPolicy="Delete")
        up.at.put(team.producer, "credentials", {"password": b"goes"})
        up.wait_for(lambda team=team: arrived(up, team, b"goes"), "the first value")  # type: ignore[misc]
        victim.arm(number, MOMENTS[number % 2])
        up.at.unwire(team.name)
        died = victim.survive(lambda team=team: gone(up, team, claims), sweep)  # type: ignore[misc]
        if not died:
            break
    assert number > 12
    assert up.at.dead_letters() == []
    assert arrived(up, stays, b"stays")


def tick() -> dict[str, object]:
    at = datetime.now(UTC).isoformat()
    return {"schedule": {"name": "sweep"}, "at": at, "shard": 0, "shards": 1}


def gone(up: Running, team: Team, claims: VaultClaims) -> bool:
    claim = claims.read(PathRef(mount="secret", path=team.path))
    return (
        up.at.values(team.consumer, "postgres") is None
        and up.at.values(f"{team.consumer}-b", "postgres") is None
        and claim is not None
        and claim.state == "retired"
        and up.secret(team.full_path) is None
        and up.at.unfinished() == 0
    )
