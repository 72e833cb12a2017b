"""Which workload runs which version: what `status` shows of consumers."""

import pytest

from functions._marks import RESTART
from functions._standing import Standing, standings
from functions._workloads import Use
from tests.fakes.workloads import workload_ref
from tests.fakes.world import World, secret
from tests.functions.rollouts import APP, ENV, TARGET, changed, complete, running, tick, wired


def one(world: World) -> Standing:
    [found] = standings(TARGET, world.ports)
    return found


def test_a_restarted_workload_from_change_to_adoption() -> None:
    world = wired()
    running(world)
    assert (one(world).state, one(world).evidence) == ("current", "rolled-out")
    changed(world, b"two")
    assert (one(world).state, one(world).pods, one(world).older) == ("moving", 2, 2)
    complete(world)
    assert (one(world).state, one(world).evidence, one(world).older) == ("current", "rolled-out", 0)
    assert one(world).restarts


@pytest.mark.parametrize(
    ("uses", "seconds", "state", "evidence"),
    [
        (ENV, 1000, "stale", "none"),
        (frozenset({Use.VOLUME, Use.SUB_PATH}), 1000, "stale", "none"),
        (frozenset({Use.VOLUME}), 10, "stale", "none"),
        (frozenset({Use.VOLUME}), 200, "current", "materialized"),
    ],
)
def test_who_does_not_ask_is_shown_too(uses: frozenset[Use], seconds: int, state: str, evidence: str) -> None:
    world = wired()
    running(world, uses=uses, annotations={})
    changed(world, b"two")
    world.clock.advance(seconds)
    found = one(world)
    assert (found.state, found.evidence, found.restarts) == (state, evidence, False)
    assert found.uses == tuple(sorted(uses))


def test_what_it_waits_for_and_why_it_is_stuck() -> None:
    world = wired()
    running(world, paused=True)
    changed(world, b"two")
    assert (one(world).state, one(world).reason) == ("waiting", "paused")
    world.workloads.put(APP, {TARGET.name: ENV}, annotations={RESTART: "true"}, began=None, on_delete=True)
    world.workloads.complete(APP, world.clock.now())
    world.clock.advance(60)
    changed(world, b"three")
    assert (one(world).state, one(world).reason) == ("stuck", "on-delete")


def test_a_timed_out_rollout() -> None:
    world = wired()
    running(world)
    changed(world, b"two")
    world.workloads.status(APP, observed=1)
    tick(world, 1000)
    assert (one(world).state, one(world).reason) == ("stuck", "timed-out")


def test_others_are_not_shown() -> None:
    world = wired()
    world.workloads.put(workload_ref("temporal/other"), {"another": ENV}, began=world.clock.now())
    assert list(standings(TARGET, world.ports)) == []
    assert list(standings(secret("temporal/another"), world.ports)) == []
