"""restart: only who asked, once per change, within budget and window, and never in a loop."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from events.consumer import ConsumerRestarted, ConsumerStuck, RestartRequested
from functions._failures import Unavailable
from functions._marks import RESTART, RESTART_BUDGET, RESTART_WINDOW
from functions._ports import Settings
from functions._workloads import Use
from tests.fakes.workloads import workload_ref
from tests.fakes.world import external_secret, path, push_secret, secret
from tests.functions.rollouts import APP, ENV, PATH, SOURCE, TARGET, changed, complete, running, stuck, tick, wired

OTHERS = tuple(workload_ref(f"temporal/worker-{number}") for number in range(4))


# --- who is restarted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", list(Use))
def test_a_workload_that_asked_is_restarted_once_for_a_change(use: Use) -> None:
    world = wired()
    running(world, uses=frozenset({use}))
    changed(world, b"two")
    assert len(world.workloads.restarts(APP)) == 1
    [said] = {event.state for event in world.events(ConsumerRestarted)}
    assert said.endswith(world.workloads.restarts(APP)[0])
    world.tick()
    tick(world)
    complete(world)
    world.tick()
    world.settle()
    assert len(world.workloads.restarts(APP)) == 1
    changed(world, b"three")
    assert len(set(world.workloads.restarts(APP))) == 2


def test_who_did_not_ask_is_left_alone() -> None:
    world = wired()
    running(world, annotations={})
    running(world, OTHERS[0], annotations={RESTART: "false", "reloader.stakater.com/auto": "true"})
    running(world, OTHERS[1], annotations={RESTART: "yes please"})
    world.workloads.put(OTHERS[2], {"another": ENV}, annotations={RESTART: "true"}, began=world.clock.now())
    changed(world, b"two")
    world.tick()
    world.settle()
    assert [world.workloads.restarts(ref) for ref in world.workloads.all()] == [()] * 4
    assert world.rollouts.count("write") == 0


def test_only_what_running_containers_never_see_when_needed() -> None:
    world = wired()
    running(world, uses=frozenset({Use.VOLUME}), annotations={RESTART: "when-needed"})
    running(world, OTHERS[0], uses=frozenset({Use.VOLUME, Use.SUB_PATH}), annotations={RESTART: "when-needed"})
    changed(world, b"two")
    assert world.workloads.restarts(APP) == ()
    assert len(world.workloads.restarts(OTHERS[0])) == 1


def test_nothing_is_restarted_when_only_the_version_moved() -> None:
    world = wired()
    running(world)
    entries = {"password": f"{PATH.path}#password", "user": f"{PATH.path}#user"}
    world.push(push_secret("temporal", str(SOURCE), entries))
    world.source(SOURCE, {"password": b"one", "user": b"me"})  # the target takes the password alone
    world.settle()
    head = world.secrets.head(TARGET)
    assert head is not None
    assert head.stamp[str(PATH)].number > 1
    world.tick()
    world.settle()
    assert world.workloads.restarts(APP) == ()


def test_pods_that_wait_for_their_first_secret_are_not_restarted() -> None:
    world = wired()
    world.workloads.put(APP, {"fresh": ENV}, annotations={RESTART: "true"}, began=None)
    world.external(external_secret("temporal/fresh", {"password": f"{PATH.path}#password"}))
    world.settle()
    complete(world)
    assert world.workloads.restarts(APP) == ()


def test_pods_that_began_after_the_change_are_current() -> None:
    world = wired()
    running(world)
    world.workloads.sealed = True
    changed(world, b"two")
    world.clock.advance(10)
    world.workloads.sealed = False
    running(world)  # somebody deployed it anew, meanwhile
    world.workloads.put(APP, {TARGET.name: ENV}, annotations={RESTART: "true"}, began=world.clock.now())
    world.tick()
    world.settle()
    assert world.workloads.restarts(APP) == ()


def test_several_secrets_that_changed_are_one_restart() -> None:
    world = wired()
    other = path("platform-data/redis/temporal")
    world.push(push_secret("redis", "redis/credentials", {"p": f"{other.path}#p"}))
    world.external(external_secret("temporal/redis", {"p": f"{other.path}#p"}))
    world.source(secret("redis/credentials"), {"p": b"1"})
    world.settle()
    world.clock.advance(60)
    world.workloads.put(
        APP, {TARGET.name: ENV, "redis": ENV}, annotations={RESTART: "true"}, began=world.clock.now(), paused=True
    )
    world.clock.advance(60)
    changed(world, b"two")
    world.source(secret("redis/credentials"), {"p": b"2"})
    world.settle()
    assert world.workloads.restarts(APP) == ()
    world.workloads.change(APP, paused=False)
    tick(world, 700)
    assert len(world.workloads.restarts(APP)) == 1


# --- when ----------------------------------------------------------------------------------------------------------


def test_at_most_so_many_at_once() -> None:
    world = wired(settings=Settings(cluster="test", restart_limit=2))
    refs = [running(world, ref) for ref in OTHERS]
    changed(world, b"two")
    assert sum(len(world.workloads.restarts(ref)) for ref in refs) == 2
    tick(world)
    tick(world, 600)
    assert sum(len(world.workloads.restarts(ref)) for ref in refs) == 2
    done = [ref for ref in refs if world.workloads.restarts(ref)]
    complete(world, done[0])
    assert sum(len(world.workloads.restarts(ref)) for ref in refs) == 3
    for ref in refs:
        complete(world, ref)
    for ref in refs:
        complete(world, ref)
    assert [len(world.workloads.restarts(ref)) for ref in refs] == [1] * 4
    assert world.budgets.read("restart.temporal").holders == {}


def test_a_workload_may_ask_for_fewer_beside_it() -> None:
    world = wired()
    refs = [running(world, ref, annotations={RESTART: "true", RESTART_BUDGET: "1"}) for ref in OTHERS[:2]]
    changed(world, b"two")
    assert sorted(len(world.workloads.restarts(ref)) for ref in refs) == [0, 1]


def test_a_slot_of_a_rollout_that_never_ends_expires() -> None:
    world = wired(settings=Settings(cluster="test", restart_limit=1))
    refs = [running(world, ref) for ref in OTHERS[:2]]
    changed(world, b"two")
    tick(world, 1000)
    assert "timed-out" in stuck(world)
    assert sum(len(world.workloads.restarts(ref)) for ref in refs) == 1, "a bad value takes down no second workload yet"
    tick(world, 1000)
    tick(world)
    assert sum(len(world.workloads.restarts(ref)) for ref in refs) == 2


def test_a_paused_rollout_waits_and_says_so_in_time() -> None:
    world = wired()
    running(world, paused=True)
    changed(world, b"two")
    assert world.workloads.restarts(APP) == ()
    assert stuck(world) == []
    for _ in range(3):
        tick(world, 700)
    assert stuck(world) == ["paused"]
    world.workloads.change(APP, paused=False)
    tick(world, 700)
    assert len(world.workloads.restarts(APP)) == 1


def test_a_window_is_waited_for() -> None:
    world = wired()
    assert world.clock.now() < datetime(2026, 1, 1, 12, tzinfo=UTC)  # a Thursday
    running(world, annotations={RESTART: "true", RESTART_WINDOW: "Thu 12:00-13:00"})
    changed(world, b"two")
    tick(world, 3600)
    assert world.workloads.restarts(APP) == ()
    [reminder] = world.reminders.entries
    assert reminder.minute == datetime(2026, 1, 1, 12, tzinfo=UTC)
    tick(world, (reminder.minute - world.clock.now()).total_seconds())
    assert len(world.workloads.restarts(APP)) == 1
    assert stuck(world) == []


@pytest.mark.parametrize("goes", [True, False])
def test_who_goes_or_stops_asking_while_it_waits_is_forgotten(goes: bool) -> None:
    world = wired()
    running(world, paused=True)
    changed(world, b"two")
    if goes:
        world.workloads.remove(APP)
    else:
        world.workloads.change(APP, annotations={})
    tick(world, 700)
    assert world.rollouts.refs() == ()
    assert world.reminders.entries == set()


def test_a_window_that_cannot_be_read_is_told_once_and_obeyed_when_mended() -> None:
    world = wired()
    running(world, annotations={RESTART: "true", RESTART_WINDOW: "at night"})
    changed(world, b"two")
    tick(world, 700)
    tick(world, 700)
    assert stuck(world) == ["bad-window"]
    assert world.workloads.restarts(APP) == ()
    assert "Mon-Fri 22:00-04:00" in str(world.events(ConsumerStuck)[0])
    world.workloads.change(APP, annotations={RESTART: "true"})
    tick(world, 700)
    assert len(world.workloads.restarts(APP)) == 1


def test_suspended_workloads_are_left_until_the_sweep_after() -> None:
    world = wired()
    running(world)
    world.secrets.put(SOURCE, {"password": b"two"})
    world.tick()
    world.settle()
    world.workloads.put(
        OTHERS[0], {TARGET.name: ENV}, annotations={RESTART: "true"}, began=datetime(2025, 1, 1, tzinfo=UTC)
    )
    world.suspensions.everything = "migration"
    world.tick()
    world.settle()
    assert world.workloads.restarts(OTHERS[0]) == ()
    world.suspensions.everything = ""
    world.tick()
    world.settle()
    assert len(world.workloads.restarts(OTHERS[0])) == 1


def test_pods_that_only_go_when_deleted_are_for_people() -> None:
    world = wired()
    ref = running(world, workload_ref("temporal/db", "StatefulSet"), on_delete=True)
    changed(world, b"two")
    assert world.workloads.restarts(ref) == ()
    assert stuck(world) == ["on-delete"]
    pods = world.workloads.pods(ref)
    world.clock.advance(30)
    world.workloads.set_pods(ref, *(replace(pod, began=world.clock.now()) for pod in pods))
    tick(world, 700)
    record = world.rollouts.read(ref)
    assert record is not None
    assert record.state == "adopted"
    assert stuck(world) == ["on-delete"]


# --- what others do ------------------------------------------------------------------------------------------------


def test_a_reverted_restart_is_told_once_and_not_repeated() -> None:
    world = wired()
    running(world)
    changed(world, b"two")
    complete(world)
    for _ in range(4):
        world.workloads.revert(APP)
        world.tick()
        world.settle()
        tick(world, 700)
    assert len(world.workloads.restarts(APP)) == 1
    assert stuck(world) == ["reverted"]
    changed(world, b"three")
    assert len(world.workloads.restarts(APP)) == 2


def test_a_restart_that_was_reverted_at_once_is_told_by_whoever_looks_first() -> None:
    world = wired()
    running(world)
    world.source(SOURCE, {"password": b"two"})
    while not world.workloads.restarts(APP):
        world.deliver(world.queue.popleft())
    world.workloads.revert(APP)
    world.settle()
    assert stuck(world) == ["reverted"]
    assert len(world.workloads.restarts(APP)) == 1


def test_an_autoscaler_between_reading_and_restarting() -> None:
    world = wired()
    running(world)
    meddled: list[str] = []

    def scaled(operation: str, subject: str) -> None:
        if operation == "restart" and not meddled:
            meddled.append(subject)
            world.workloads.change(APP)

    world.workloads.before = scaled
    changed(world, b"two")
    assert meddled
    assert len(world.workloads.restarts(APP)) == 1
    complete(world)
    assert stuck(world) == []


def test_a_workload_made_anew_is_another() -> None:
    world = wired()
    running(world)
    changed(world, b"two")
    complete(world)
    world.clock.advance(10)
    world.workloads.put(APP, {TARGET.name: ENV}, annotations={RESTART: "true"}, began=world.clock.now())
    world.tick()
    world.settle()
    assert world.workloads.restarts(APP) == ()
    record, workload = world.rollouts.read(APP), world.workloads.read(APP)
    assert record is not None
    assert workload is not None
    assert (record.uid, record.state) == (workload.uid, "adopted")


def test_one_workload_that_fails_holds_up_no_other() -> None:
    world = wired()
    refs = [running(world, ref) for ref in OTHERS[:2]]
    failing = True

    def refuse(operation: str, subject: str) -> None:
        if failing and operation == "restart" and subject == str(refs[0]):
            raise Unavailable("kubernetes", "the API server does not answer")

    world.workloads.before = refuse
    world.source(SOURCE, {"password": b"two"})
    while not world.workloads.restarts(refs[1]):
        world.deliver(world.queue.popleft())
    assert any(isinstance(event, RestartRequested) for event in world.said)
    failing = False
    world.settle()
    assert len(world.workloads.restarts(refs[0])) == 1


def test_the_sweep_finds_what_events_missed() -> None:
    world = wired()
    running(world)
    changed(world, b"two")
    assert len(world.workloads.restarts(APP)) == 1
    world.workloads.put(
        OTHERS[0], {TARGET.name: ENV}, annotations={RESTART: "true"}, began=datetime(2025, 1, 1, tzinfo=UTC)
    )
    world.tick()
    world.settle()
    assert len(world.workloads.restarts(OTHERS[0])) == 1
    complete(world, OTHERS[0])
    complete(world)
    before = len(world.said)
    world.tick()
    world.settle()
    assert len(world.said) == before + 1, "nothing is ordered again"


def test_a_secret_that_went_restarts_nothing() -> None:
    world = wired()
    running(world)
    changed(world, b"two")
    complete(world)
    world.secrets.remove(TARGET)
    world.wiring.remove(next(iter(world.wiring.externals)))
    world.external(external_secret("temporal/other", {"password": f"{PATH.path}#password"}))
    world.settle()
    world.tick()
    world.settle()
    assert len(world.workloads.restarts(APP)) == 1


def test_steps_say_nothing_where_there_are_no_workloads() -> None:
    world = wired()
    changed(world, b"two")
    world.tick()
    world.settle()
    assert world.rollouts.calls == []
    assert world.budgets.calls == []
    tick(world, timedelta(hours=1).total_seconds())
    assert world.events(ConsumerRestarted) == []
