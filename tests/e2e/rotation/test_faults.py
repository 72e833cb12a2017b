"""Targets that are down, orders to give up, kills: one credential works at any time, and none is left behind."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.hosts.cli.failures import CommandError
from tests.e2e.rotation.shop import NAME, Shop, completed, established, phase, rotate, state
from tests.instance import Running

pytestmark = pytest.mark.e2e
# What changes something outside of the instance; records and reminders are killed around in tests/functions.
_CHANGES = (
    "systems.apply", "systems.revoke", "pending.create", "pending.remove", "proofs.writing", "authority.write",
    "publications.record", "targets.update",
)  # fmt: skip


def test_a_target_that_is_down_is_waited_for(shop_apart: Shop) -> None:
    shop = shop_apart
    shop.lay_out(shop.server.role(), shop.server.role())
    with shop.at.running() as up:
        begun = established(shop, up)
        shop.server.stop()
        given = rotate(up)
        up.wait_for(lambda: state(up)["trouble"] == "target-unavailable", "the trouble is told")
        assert state(up)["phase"] == "staged"
        assert shop.credential() == begun
        shop.server.start()
        up.control.tell("rotation/resume", name=NAME)
        assert completed(up, given)["phase"] == "completed"
        up.wait_for(lambda: shop.credential() not in (None, begun), "the new credential")
        assert not shop.lets_in(begun)
        assert up.at.dead_letters() == []


def test_what_is_given_up_leaves_the_old_credential(shop_apart: Shop) -> None:
    shop = shop_apart
    shop.lay_out(shop.server.role(), shop.server.role())
    with shop.at.running() as up:
        begun = established(shop, up)
        shop.server.stop()
        given = rotate(up)
        up.wait_for(lambda: state(up)["trouble"] == "target-unavailable", "the trouble is told")
        up.control.tell("rotation/abort", name=NAME)
        up.wait_for(lambda: phase(up) in ("aborting", "withdrawing", "aborted"), "it is being given up")
        shop.server.start()
        if state(up)["underWay"]:
            up.control.tell("rotation/resume", name=NAME)
        ended = completed(up, given)
        assert ended["phase"] == "aborted"
        assert shop.credential() == begun
        assert shop.lets_in(begun)
        assert up.version(shop.full_path) == 1
        assert completed(up, rotate(up))["phase"] == "completed"  # another attempt, from the same base


@pytest.mark.slow
def test_killed_around_everything_that_it_changes(shop_apart: Shop, tmp_path: Path) -> None:
    """Each kill takes with it what several steps have said, as none of that is durable yet."""
    fuse = tmp_path / "fuse"
    program = (sys.executable, "-m", "tests.e2e.host", "--fuse", str(fuse), "--linger", "0.5")
    shop = replace(shop_apart, at=replace(shop_apart.at, program=program))
    shop.lay_out(shop.server.role(), shop.server.role())
    with shop.at.running() as up:
        established(shop, up)
        for at in _points(shop, up, fuse):
            _killed_at(at, shop, up, fuse)


def _points(shop: Shop, up: Running, fuse: Path) -> list[str]:
    """Before and after each call of one undisturbed rotation that changes something."""
    fuse.write_text("100000 before")
    assert completed(up, rotate(up))["phase"] == "completed"
    fuse.unlink()
    up.wait_idle()
    calls = Path(f"{fuse}.calls").read_text().splitlines()
    named = {line.rsplit(" ", 1)[-1]: line for line in reversed(calls)}  # the first call of each name
    assert named.keys() >= set(_CHANGES), sorted(named)
    return [f"{named[name]} {moment}" for name in _CHANGES for moment in ("before", "after")]


def _killed_at(point: str, shop: Shop, up: Running, fuse: Path) -> None:
    """`point` is `<setting>: <n> <step> <port.call> <moment>`; where the n-th is another's by now, that is as good."""
    _, _, rest = point.partition(": ")
    begun, version = shop.credential(), up.version(shop.full_path)
    assert begun is not None
    former = state(up)["record"]["id"]
    fuse.write_text(f"{rest.split()[0]} {rest.split()[-1]}")
    with contextlib.suppress(CommandError):  # it may die before it answers
        rotate(up)
    up.wait_for(lambda: not up.alive(), f"the kill at {rest}")
    fuse.unlink()
    assert shop.lets_in(begun) or shop.credential() != begun
    up.restart()
    if state(up)["record"]["id"] == former:  # nothing has begun: the order may have been lost with its answer
        rotate(up)
    try:
        up.wait_for(lambda: _ended(up, former), f"the end of what was killed at {rest}")
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{state(up)}") from None
    assert state(up)["phase"] == "completed", point
    up.wait_for(lambda: shop.credential() not in (None, begun), "the new credential")
    made = shop.credential()
    assert made is not None
    assert shop.lets_in(made), point
    assert not shop.lets_in(begun), point
    assert up.version(shop.full_path) == version + 1, point  # never a second generated value
    assert state(up)["record"]["orphans"] == [], point


def _ended(up: Running, former: str) -> bool:
    """Whether another rotation than the former one ended."""
    found = state(up)
    return bool(found["record"]["id"] != former and not found["underWay"])
