"""Rotations as a whole: given up, with manifests that change, by schedule, under clocks that jump."""

import pytest

from events.rotated import RotationPromoted
from events.secret import SecretPublished
from tests.fakes.world import rotation
from tests.functions.rotating import (
    FIRST,
    PATH,
    STRATEGIES,
    abort,
    ask,
    failures,
    finished,
    live,
    login,
    newest,
    record,
    rotating,
    slots,
    staged_values,
    system_of,
    tick,
    until,
)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("phase", ["staged", "applied", "verified"])
@pytest.mark.orderly("counts what is said, or delivers in order")
def test_given_up_before_promotion_the_base_works_and_the_new_one_does_not(strategy: str, phase: str) -> None:
    world = rotating(strategy)
    ask(world)
    until(world, phase)
    abort(world)
    world.queue.rotate(1)
    world.settle()
    assert record(world).phase == "aborted"
    assert login(world, live(world))
    accepted = {value for name in system_of(world).accounts for value in system_of(world).accepted(name)}
    assert accepted <= {FIRST, b"nobody-knows"}
    assert slots(world) == []


def test_an_order_to_give_up_that_comes_too_late_gives_nothing_up() -> None:
    world = rotating("alternating")
    ask(world)
    until(world, "applied")
    abort(world)
    world.clock.advance(901)
    world.settle()
    assert [one.received.event.TYPE for one, _ in world.dead] == ["dev.lockstep.abort.requested"]
    assert record(world).phase == "completed"


@pytest.mark.parametrize("phase", ["promoting", "promoted", "completed"])
def test_nothing_promoted_is_given_up(phase: str) -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    if phase == "promoting":
        until(world, "verified")
        world.authority.before = lambda operation, _: setattr(world.authority, "sealed", operation == "write")
        until(world, "promoting")
        world.authority.before, world.authority.sealed = (lambda *_: None), False
    else:
        world.settle()
    if phase == "completed":
        tick(world, 3700)
    assert record(world).phase == phase
    abort(world)
    world.settle()
    assert len(world.dead) == 1
    tick(world, 3700)
    assert record(world).phase == "completed"


@pytest.mark.parametrize("change", ["removed", "account", "path"])
def test_a_manifest_that_asks_no_more_ends_it_before_promotion(change: str) -> None:
    world = rotating()
    ask(world)
    until(world, "applied")
    (ref,) = world.wiring.rotating
    world.wiring.remove(ref)
    if change == "account":
        world.wiring.put(rotation("orders/database", PATH.path, target={"name": "orders", "account": "other"}))
    if change == "path":
        world.wiring.put(rotation("orders/database", "runtime/orders/elsewhere"))
    world.settle()
    assert failures(world)[-1][1:] == ("not-allowed", True)
    assert login(world, live(world))
    assert system_of(world).accepted("app") == (FIRST,)


def test_after_promotion_the_old_credential_dies_whatever_became_of_the_manifest() -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    world.wiring.rotating.clear()
    tick(world, 3700)
    finished(world)


# --- sweeps, schedules, clocks ---------------------------------------------------------------------------------------


def test_a_schedule_asks_in_time_and_again_after_a_failure() -> None:
    world = rotating("alternating", schedule={"interval": "24h"})
    world.tick()
    world.settle()
    assert world.rotations.known(PATH) is None
    world.clock.advance(25 * 3600)
    world.tick()
    world.settle()
    finished(world)
    first = record(world)
    assert first.by == "schedule"
    system_of(world).refuses = lambda value: True
    tick(world, 25 * 3600)
    assert record(world).phase == "failed"
    system_of(world).refuses = lambda value: False
    world.clock.advance(700)
    world.tick()
    world.settle()
    assert (record(world).phase, record(world).attempt) == ("completed", 2)


def test_what_nobody_moves_the_sweep_finds() -> None:
    for phase in ("staged", "applied", "verified", "promoted", "completed"):
        world = rotating("alternating")
        ask(world)
        until(world, phase)
        world.queue.clear()  # everything that was on its way is lost
        world.clock.advance(700)
        for _ in range(3):
            world.tick()
            world.settle()
            world.clock.advance(700)
        finished(world)


def test_a_clock_that_jumps_ends_nothing_early() -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    world.clock.advance(-86400)
    tick(world, 60, 3)
    assert record(world).phase == "promoted"
    world.clock.advance(86400)
    tick(world, 3700)
    finished(world)


def test_promotion_is_said_once_more_where_its_answer_was_lost() -> None:
    world = rotating("alternating")
    ask(world)
    until(world, "verified")
    again = world.queue[0].received.event
    world.settle()
    world.say(again)
    world.settle()
    assert len({event.state for event in world.events(SecretPublished)}) == 1
    assert len({event.rotation for event in world.events(RotationPromoted)}) == 1  # type: ignore[attr-defined]
    finished(world)


def test_no_value_is_in_any_event_record_or_reason() -> None:
    for strategy in STRATEGIES:
        world = rotating(strategy)
        system_of(world).down = True
        ask(world)
        world.settle()
        system_of(world).down = False
        before = newest(world)
        tick(world, 700)
        assert newest(world) != before
        values = {FIRST, *staged_values(world)}
        said = "".join(event.model_dump_json() for event in world.said)
        kept = repr((world.rotations.history, world.pending.history, world.dead, world.budgets.pools))
        for value in values:
            assert value.decode() not in said
            assert value.decode() not in kept
