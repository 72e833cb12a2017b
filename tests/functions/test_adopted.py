"""adopted: what is said of a rollout, once, and what is done when somebody stops following."""

from dataclasses import replace
from datetime import timedelta

import pytest

from events.consumer import AdoptionRequested, ConsumerAdopted, ConsumerStuck, WorkloadChanged
from functions import adopted
from functions._marks import RESTART
from functions._workloads import Pod, Use
from tests.fakes.workloads import workload_ref
from tests.fakes.world import World, push_secret
from tests.functions.rollouts import (
    APP,
    ENV,
    PATH,
    SOURCE,
    TARGET,
    changed,
    complete,
    running,
    stuck,
    tick,
    versions,
    wired,
)


def restarted() -> World:
    world = wired()
    running(world)
    changed(world, b"two")
    assert len(world.workloads.restarts(APP)) == 1
    return world


def test_a_workload_is_adopted_when_its_rollout_is_complete() -> None:
    world = restarted()
    tick(world)
    assert versions(world) == []
    complete(world)
    assert versions(world) == [2]
    record = world.rollouts.read(APP)
    assert record is not None
    assert (record.state, record.told, record.due) == ("adopted", True, None)
    assert world.reminders.entries == set()
    assert world.budgets.read("restart.temporal").holders == {}


def test_what_was_told_is_not_told_again() -> None:
    world = restarted()
    complete(world)
    before = len(world.events(ConsumerAdopted))
    for _ in range(3):
        world.say(WorkloadChanged(workload=APP, seen="flap"))
        tick(world)
        world.tick()
        world.settle()
    assert len(world.events(ConsumerAdopted)) == before


def test_hints_that_come_before_what_was_told_is_on_record_say_nothing_more() -> None:
    """A rollout makes many hints; the answer to the first is on its way while the next are handled."""
    world = restarted()
    world.workloads.complete(APP, world.clock.now() + timedelta(seconds=30))
    world.clock.advance(60)
    hints = [WorkloadChanged(workload=APP, seen=str(number)) for number in range(4)]
    said = [list(adopted.handle(hint, world.ports)) for hint in hints]
    assert [[type(one) for one in each if isinstance(one, ConsumerAdopted)] for each in said] == [
        [ConsumerAdopted], [], [], []
    ]  # fmt: skip
    tick(world)  # the answer was lost: the tick says it
    assert versions(world) == [2]


def test_without_any_hint_the_tick_finds_it() -> None:
    world = restarted()
    world.workloads.complete(APP, world.clock.now() + timedelta(seconds=30))
    tick(world, 120)
    assert versions(world) == [2]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"failed": "ProgressDeadlineExceeded"}, "deadline-exceeded"),
        ({"observed": 1}, "timed-out"),
        ({"updated": 0, "observed": 2}, "timed-out"),
        ({"available": 1, "observed": 2, "updated": 2}, "timed-out"),
        ({"total": 3, "observed": 2, "updated": 2}, "timed-out"),
    ],
)
def test_a_rollout_that_does_not_complete_is_stuck_once_and_adopted_after_all(
    status: dict[str, object], reason: str
) -> None:
    world = restarted()
    world.workloads.status(APP, **status)
    tick(world, 901)
    assert stuck(world) == [reason]
    for _ in range(3):
        tick(world, 700)
    assert stuck(world) == [reason]
    assert len(world.events(ConsumerStuck)) <= 2
    complete(world)
    assert versions(world) == [2]


def test_a_crash_loop_is_stuck_at_once() -> None:
    world = restarted()
    [digest] = world.workloads.restarts(APP)
    old = world.workloads.pods(APP)
    world.workloads.set_pods(APP, *old, Pod("new", world.clock.now(), digest, "CrashLoopBackOff", restarts=2))
    tick(world)
    assert stuck(world) == []
    world.workloads.set_pods(APP, *old, Pod("new", world.clock.now(), digest, "CrashLoopBackOff", restarts=3))
    tick(world)
    assert stuck(world) == ["crash-looping"]
    [said] = {event.explanation for event in world.events(ConsumerStuck) if isinstance(event, ConsumerStuck)}
    assert "new: 3 restarts" in said


def test_a_partition_leaves_old_pods_behind() -> None:
    world = wired()
    ref = running(world, workload_ref("temporal/db", "StatefulSet"))
    changed(world, b"two")
    [digest] = world.workloads.restarts(ref)
    workload = world.workloads.read(ref)
    assert workload is not None
    first, second = world.workloads.pods(ref)
    world.workloads.status(ref, observed=workload.generation, updating=1, updated=1)
    world.workloads.set_pods(ref, first, replace(second, began=world.clock.now(), restarted_for=digest))
    tick(world)
    assert stuck(world) == ["partitioned"]


def test_pods_that_carry_the_digest_are_current_whatever_the_clocks_say() -> None:
    world = restarted()
    world.workloads.complete(APP, world.clock.now() - timedelta(hours=1))
    tick(world)
    assert versions(world) == [2]


def test_a_version_that_brought_no_other_data_is_adopted_without_a_restart() -> None:
    world = restarted()
    complete(world)
    entries = {"password": f"{PATH.path}#password", "user": f"{PATH.path}#user"}
    world.push(push_secret("temporal", str(SOURCE), entries))
    world.source(SOURCE, {"password": b"two", "user": b"me"})
    world.settle()
    assert versions(world)[-1] > 2
    assert len(world.workloads.restarts(APP)) == 1


def test_a_workload_that_goes_or_stops_asking_is_followed_no_longer() -> None:
    world = restarted()
    world.workloads.remove(APP)
    tick(world, 120)
    assert world.rollouts.refs() == ()
    assert world.reminders.entries == set()
    assert world.budgets.read("restart.temporal").holders == {}
    running(world)
    changed(world, b"three")
    world.workloads.change(APP, annotations={RESTART: "false"})
    tick(world, 120)
    assert world.rollouts.refs() == ()


def test_hints_about_others_cost_one_look_at_the_record() -> None:
    world = wired()
    running(world, annotations={})
    world.workloads.calls.clear()
    world.say(WorkloadChanged(workload=APP, seen="1"))
    world.settle()
    assert world.workloads.calls == []


def test_an_order_to_follow_a_workload_that_lacks_a_change_restarts_it_first() -> None:
    world = wired()
    world.workloads.put(APP, {TARGET.name: ENV}, annotations={RESTART: "true"}, began=None)
    world.clock.advance(30)
    changed(world, b"two")
    world.workloads.set_pods(APP, Pod("old", world.clock.now() - timedelta(hours=1)))
    record = world.rollouts.read(APP)
    assert record is not None
    world.rollouts.remove(record)
    world.say(AdoptionRequested(workload=APP, expires=world.clock.now() + timedelta(hours=1), reason="test"))
    world.settle()
    assert len(world.workloads.restarts(APP)) == 1


def test_files_of_a_volume_are_not_waited_for_when_only_needed() -> None:
    world = wired()
    running(world, uses=frozenset({Use.VOLUME}), annotations={RESTART: "when-needed"})
    changed(world, b"two")
    world.tick()
    world.settle()
    assert world.events(ConsumerAdopted) == world.events(ConsumerStuck) == []
