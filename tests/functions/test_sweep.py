"""sweep over fakes: it finds what events missed, and looks at metadata only."""

import pytest

from events.orders import MaterializeRequested, PublishRequested
from events.references import SecretRef
from events.schedule import ScheduleRef, ScheduleTicked
from functions import sweep
from functions._failures import Denied, Reject, Unavailable
from functions._ports import SecretHead
from tests.fakes.world import World, external_secret, path, push_secret, secret

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
TARGET = secret("temporal/postgres")


@pytest.fixture
def world() -> World:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    return world


@pytest.mark.orderly("it counts the calls of one sweep")
def test_in_step_costs_one_metadata_read_per_path_and_orders_nothing(world: World) -> None:
    for n in range(5):
        world.external(external_secret(f"app{n}/postgres", {"password": f"{PATH.path}#password"}))
    world.settle()
    world.authority.calls.clear()
    said = len(world.said)
    world.tick()
    world.settle()
    assert world.authority.calls == [("head", str(PATH))]
    assert len(world.said) == said + 1


def test_a_missed_source_change_is_found(world: World) -> None:
    world.secrets.put(SOURCE, {"password": b"two"})  # and no event
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"password": b"two"}


def test_a_lost_target_is_found(world: World) -> None:
    world.secrets.remove(TARGET)
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"password": b"one"}


def test_one_source_that_cannot_be_read_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.push(push_secret("bad", "hostile/credentials", {"password": "platform-data/postgres/a#password"}))
    real = world.secrets.head

    def head(ref: SecretRef) -> SecretHead | None:
        if ref.namespace == "hostile":
            raise Reject("hostile/credentials: a foreign symlink")
        return real(ref)

    monkeypatch.setattr(world.secrets, "head", head)
    world.secrets.put(SOURCE, {"password": b"two"})  # and no event
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"password": b"two"}


def test_one_path_that_nobody_may_look_at_holds_up_no_other(world: World) -> None:
    """Whoever keeps an existing authority applies the policies for what was wired today tomorrow, perhaps."""
    denied = path("platform-data/postgres/a")
    world.push(push_secret("early", "other/credentials", {"password": f"{denied.path}#password"}))
    world.external(external_secret("app/early", {"password": f"{denied.path}#password"}))

    def deny(_: str, subject: str) -> None:
        if subject == str(denied):
            raise Denied("authority", f"permission denied on {denied}")

    world.authority.before = deny
    world.secrets.put(SOURCE, {"password": b"two"})  # and no event
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"password": b"two"}
    assert [(delivery.step.name, why) for delivery, why in world.dead if delivery.step.name == "sweep"] == []


def test_an_authority_that_serves_nobody_is_no_sweep_that_found_nothing(world: World) -> None:
    world.authority.sealed = True
    tick = ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=world.clock.now())
    with pytest.raises(Unavailable):
        list(sweep.handle(tick, world.ports))


def test_a_drifted_target_is_found(world: World) -> None:
    world.secrets.drift(TARGET, "password", b"by hand")
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"password": b"one"}


def test_lost_local_knowledge_is_made_again(world: World) -> None:
    world.publications.known.clear()
    world.tick()
    world.settle()
    assert world.publications.read(PATH) is not None
    assert world.authority.count("write") == 1


def test_a_deleted_version_is_written_again(world: World) -> None:
    stored = world.authority.read(PATH)
    assert stored is not None
    world.authority.delete(PATH, (1,))
    world.tick()
    world.settle()
    assert world.path(PATH) == {"password": b"one"}


@pytest.mark.orderly("it counts the calls of one sweep")
def test_shards_cover_everything_once() -> None:
    world = World()
    for n in range(20):
        world.push(push_secret(f"p{n}", f"ns{n}/s", {"k": f"platform-data/x/c{n}#k"}))
        world.external(external_secret(f"c{n}/t", {"k": f"platform-data/x/c{n}#k"}))
        world.secrets.put(secret(f"ns{n}/s"), {"k": b"v"})
    world.queue.clear()
    orders = []
    for shard in range(4):
        tick = ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=world.clock.now(), shard=shard, shards=4)
        orders += list(sweep.handle(tick, world.ports))
    paths = [order.path for order in orders if isinstance(order, PublishRequested)]
    assert len(paths) == len(set(paths)) == 20
    assert world.authority.count("head") == 20


def test_no_values_are_read(world: World) -> None:
    world.secrets.put(SOURCE, {"password": b"two"})
    world.authority.calls.clear()
    world.secrets.calls.clear()
    tick = ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=world.clock.now())
    assert any(isinstance(event, PublishRequested) for event in sweep.handle(tick, world.ports))
    assert {call for call, _ in world.authority.calls} <= {"head", "list"}
    assert {call for call, _ in world.secrets.calls} <= {"head", "select"}


def test_what_is_suspended_or_has_a_problem_is_left_alone(world: World) -> None:
    world.secrets.put(SOURCE, {"password": b"two"})
    world.suspensions.everything = "freeze"
    tick = ScheduleTicked(schedule=ScheduleRef(name="sweep"), at=world.clock.now())
    assert list(sweep.handle(tick, world.ports)) == []


def test_other_schedules_are_not_a_sweep(world: World) -> None:
    world.authority.calls.clear()
    tick = ScheduleTicked(schedule=ScheduleRef(name="anchor"), at=world.clock.now())
    assert list(sweep.handle(tick, world.ports)) == []
    assert world.authority.calls == []


@pytest.mark.orderly("it counts what one sweep tells")
def test_a_pinned_consumer_is_not_ordered_again_and_again(world: World) -> None:
    remote = {"key": PATH.path, "property": "password", "version": "1"}
    world.external(external_secret("audit/p", data=[{"secretKey": "password", "remoteRef": remote}]))
    world.source(SOURCE, {"password": b"two"})
    world.settle()
    before = len(world.events(MaterializeRequested))
    world.tick()
    world.settle()
    assert len(world.events(MaterializeRequested)) == before


@pytest.mark.parametrize("policy", ["CreatedOnce", "OnChange"])
@pytest.mark.orderly("it counts what one sweep tells")
def test_what_is_made_once_is_not_ordered_again_and_again(world: World, policy: str) -> None:
    world.external(external_secret("once/p", {"password": f"{PATH.path}#password"}, refreshPolicy=policy))
    world.settle()
    world.source(SOURCE, {"password": b"two"})
    world.settle()
    before = len(world.events(MaterializeRequested))
    world.tick()
    world.settle()
    assert len(world.events(MaterializeRequested)) == before


def test_a_path_that_began_anew_with_the_same_number_reaches_its_consumers() -> None:
    world, at = World(), path("apps/db")
    world.authority.foreign_write(at, {"password": "one"})
    world.external(external_secret("apps/db", extract=at.path))
    world.settle()
    world.authority.delete_metadata(at)
    world.clock.advance(60)
    assert world.authority.foreign_write(at, {"password": "two"}).number == 1
    world.tick()
    world.settle()
    assert world.target(secret("apps/db")) == {"password": b"two"}
