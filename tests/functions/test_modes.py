"""A path that another controller's PushSecret writes is distributed as it is: nobody of ours will ever confirm it."""

from datetime import UTC, datetime

import pytest

from events.orders import MaterializeRequested
from events.references import PathRef
from events.schedule import ScheduleRef, ScheduleTicked
from events.secret import SecretMaterialized
from functions import materialize, sweep
from functions._manifests.cluster_secret_store import Mode
from functions._values import SecretValue
from tests.fakes.world import World
from tests.functions.manifests.samples import external_secret, push_secret

PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")
LATER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    world = World()
    world.wiring.put(push_secret())
    remote = {"key": PATH.path, "property": "password"}
    world.wiring.put(external_secret(data=[{"secretKey": "password", "remoteRef": remote}]))
    world.authority.write(PATH, {"password": SecretValue.of("theirs")}, None)
    return world


def served(world: World, mode: Mode) -> None:
    ref = push_secret().ref
    world.wiring.modes[ref] = mode
    if mode != "own":
        world.wiring.problems[ref] = "its store is observed"


def materialized(world: World) -> bool:
    external = external_secret()
    order = MaterializeRequested(consumer=external.ref, secret=external.target, expires=LATER, reason="test")
    return any(isinstance(event, SecretMaterialized) for event in materialize.handle(order, world.ports))


@pytest.mark.parametrize(("mode", "distributed"), [("own", False), ("assist", True), ("observe", True)])
def test_who_is_waited_for(world: World, mode: Mode, distributed: bool) -> None:
    served(world, mode)
    assert materialized(world) is distributed


@pytest.mark.parametrize(("mode", "ordered"), [("own", 0), ("observe", 1)])
def test_what_the_sweep_misses(world: World, mode: Mode, ordered: int) -> None:
    served(world, mode)
    tick = ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=LATER)
    orders = [event for event in sweep.handle(tick, world.ports) if isinstance(event, MaterializeRequested)]
    assert len(orders) == ordered
