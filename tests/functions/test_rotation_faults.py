"""What goes wrong around a rotation and lasts: a sealed authority, triggers at once, consumers that never adopt."""

import itertools
from datetime import timedelta

import pytest

from functions._rotations import ENDED
from functions._workloads import Use
from tests.fakes.workloads import workload_ref
from tests.fakes.world import World
from tests.functions.fuses import documents
from tests.functions.rotating import (
    FIRST,
    STRATEGIES,
    TARGET,
    ask,
    failures,
    finished,
    live,
    login,
    record,
    rotating,
    seal,
    staged_values,
    system_of,
    tick,
    until,
    works_somewhere,
)

pytestmark = pytest.mark.orderly("numbers the calls of a rotation, or counts what is said")
_BUDGET = 12  # attempts of one delivery


def sealed_at(world: World, at: int) -> list[int]:
    """Seal the authority at its n-th call from now on; one entry for each call until then."""
    calls: list[int] = []

    def count(_operation: str, _subject: str) -> None:
        calls.append(len(calls) + 1)
        if len(calls) == at:
            seal(world, True)

    for fake in documents(world):
        fake.before = count  # type: ignore[attr-defined]  # every fake has it
    return calls


def wait_sealed(world: World) -> None:
    """For longer than any delivery's budget: the broker holds deliveries to a step that is not ready."""
    for _ in range(_BUDGET * 4):
        if world.queue:
            world.queue[0].attempts = 0
            world.deliver(world.queue.popleft())
    assert world.dead == []


def deliver_until_sealed(world: World, calls: list[int], at: int) -> None:
    while world.queue and len(calls) < at:
        world.deliver(world.queue.popleft())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sealed_at_any_call_and_for_longer_than_the_retry_budget(strategy: str) -> None:
    for at in itertools.count(1):
        world = rotating(strategy)
        calls = sealed_at(world, at)
        ask(world)
        deliver_until_sealed(world, calls, at)
        if len(calls) < at:
            assert at > 40
            return
        wait_sealed(world)
        assert works_somewhere(world, strategy), at
        seal(world, False)
        world.settle()
        for _ in range(12):
            if record(world).phase not in ENDED or not record(world).told:
                tick(world, 60)
                world.tick()
                world.settle()
        finished(world)


@pytest.mark.parametrize("first", ["schedule", "leak"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_schedule_and_leak_at_once_are_one_rotation(strategy: str, first: str) -> None:
    world = rotating(strategy, schedule={"interval": "24h"}, grace="1h")
    world.clock.advance(90_000)
    world.tick()
    ask(world, "leak", by="triage")
    sweep = next(one for one in world.queue if one.step.name == "sweep")
    world.queue.remove(sweep)
    world.deliver(sweep)  # it finds that one is due
    assert [getattr(one.received.event, "by", "") for one in world.queue].count("schedule") == 1
    if first == "leak":
        world.queue.rotate(1)
    world.settle()
    tick(world, 60)
    finished(world)
    assert record(world).policy == "leak"
    assert len(staged_values(world)) == 1
    assert len({one.id for one in world.rotations.history}) == 1


@pytest.mark.parametrize("policy", ["planned", "leak"])
def test_a_consumer_that_never_adopts(policy: str) -> None:
    """Planned, the old credential is kept and it is told once; what leaked dies when the Secret is there."""
    world = rotating("alternating", evidence="rolled-out")
    uses = {TARGET.name: frozenset({Use.ENVIRONMENT})}
    began = world.clock.now() - timedelta(hours=1)
    annotations = {"lockstep.dev/restart": "true"}
    world.workloads.put(workload_ref("orders/app"), uses, annotations=annotations, began=began)
    world.clock.advance(60)
    ask(world, policy)
    world.settle()
    for _ in range(20):
        world.clock.advance(1000)
        world.tick("rollouts")
        tick(world, 60)
    assert login(world, live(world))
    assert world.dead == []
    if policy == "leak":
        assert record(world).phase == "completed"
        assert not system_of(world).lets_in("app_a", FIRST)
        return
    assert record(world).phase == "promoted"
    assert failures(world) == [("revoke", "no-evidence", False)]
    assert system_of(world).lets_in("app_a", FIRST)


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
@pytest.mark.parametrize("phase", ["requested", "staged", "applied", "verified", "promoted"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_clock_jumps_in_any_phase(strategy: str, phase: str, seconds: float) -> None:
    """A day forward or back: nothing ends early, twice or never."""
    world = rotating(strategy)
    ask(world)
    if phase != "requested":
        until(world, phase)
    world.clock.advance(seconds)
    world.settle()
    assert works_somewhere(world, strategy)
    for _ in range(12):
        tick(world, 700)
        world.tick()
        world.settle()
    finished(world)


@pytest.mark.parametrize("phase", ["staged", "promoted"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_admin_that_is_itself_rotated_is_waited_for(strategy: str, phase: str) -> None:
    """Refused in each of the phases that need it; then everything goes on."""
    world = rotating(strategy)
    ask(world)
    until(world, phase)
    system_of(world).admin = False
    world.settle()
    tick(world, 700, 3)
    step = {"staged": "apply", "promoted": "revoke"}[phase]
    assert failures(world) == [(step, "admin-refused", False)]
    assert works_somewhere(world, strategy)
    assert world.dead == []
    system_of(world).admin = True
    tick(world, 700, 2)
    finished(world)
