"""`lockstep check` warns of leaks that are not contained, and says which to look at."""

import pytest

from functions._failures import Unavailable
from infra.hosts.checks.leaks import leak_checks
from infra.hosts.checks.result import Check
from tests.functions.leaking import ORDERS, TWIN, LeakWorld, carries, leaking, order, report, rotated, rotation, version


def checked(world: LeakWorld) -> Check:
    (one,) = leak_checks(world.ports)
    return one


def test_none() -> None:
    world = leaking()
    assert (checked(world).status, checked(world).message) == ("ok", "none is open")
    leak = report(world, path=ORDERS)
    order(world, leak, "dismiss")
    assert checked(world).status == "ok"


def test_one_that_is_being_answered_is_open_until_it_is_contained() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    one = checked(world)
    assert (one.status, one.message) == ("warn", f"1 leak is open: {leak[:12]} ({ORDERS})")
    assert one.action == f"run: lockstep leak show {leak[:12]}"
    rotated(world)
    carries(world, version(world))
    world.clock.advance(700)
    world.tick("rotations")
    world.settle()
    assert checked(world).status == "ok"


def test_one_that_waits_for_an_operator_says_so() -> None:
    world = leaking(trust="report")
    report(world, path=ORDERS)
    assert checked(world).message.startswith("1 leak is open, 1 of them for you to decide: ")


def test_the_newest_is_the_one_to_look_at() -> None:
    world = leaking()
    world.authority.foreign_write(TWIN, {"password": "another-one-of-the-twin-7"})
    world.wiring.put(rotation("twin", TWIN))
    report(world, path=ORDERS)
    world.clock.advance(60)
    newest = report(world, "other", path=TWIN)
    one = checked(world)
    assert one.message.startswith("2 leaks are open: ")
    assert one.action.endswith(newest[:12])


def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = leaking()

    def down() -> tuple[str, ...]:
        raise Unavailable("authority", "it is sealed")

    monkeypatch.setattr(world.leaks, "ids", down)
    assert (checked(world).status, "it is sealed" in checked(world).message) == ("warn", True)
