"""The index follows metadata, reads each version once, and holds nothing that would match everything."""

from datetime import timedelta

from events.leak import IndexRequested, TriageRequested
from functions._leaks import Indexed, IndexedVersion, Sighting
from functions.index import KEPT, behind
from tests.fakes.world import World
from tests.functions.leaking import CONFIG, NEW, OLD, ORDERS, fingerprint, indexed, leaking, told, version


def reads(world: World) -> list[str]:
    return [subject for call, subject in world.authority.calls if call.startswith("read")]


def test_current_and_former_versions_are_found() -> None:
    world = leaking()
    first = version(world)
    world.authority.foreign_write(ORDERS, {"password": NEW})
    indexed(world)
    assert world.index.find(fingerprint(world, OLD)) == (Sighting(ORDERS, "password", first),)
    assert world.index.find(fingerprint(world, NEW)) == (Sighting(ORDERS, "password", version(world)),)


def test_a_version_is_read_once() -> None:
    world = indexed(leaking())
    world.authority.calls.clear()
    indexed(world)
    assert reads(world) == []


def test_what_is_deleted_is_known_still() -> None:
    world = indexed(leaking())
    world.authority.foreign_write(ORDERS, {"password": NEW})
    world.authority.delete(ORDERS, (1,))
    indexed(world)
    assert len(world.index.find(fingerprint(world, OLD))) == 1


def test_a_new_version_of_the_key_makes_all_fingerprints_anew() -> None:
    world = indexed(leaking())
    former = fingerprint(world, OLD)
    world.fingerprints.version = 2
    indexed(world)
    assert world.index.find(former) == ()
    assert len(world.index.find(fingerprint(world, OLD))) == 1


def test_a_path_that_began_anew_is_looked_at_anew() -> None:
    world = indexed(leaking())
    world.authority.delete_metadata(ORDERS)
    world.clock.advance(60)
    world.authority.foreign_write(ORDERS, {"password": NEW})
    indexed(world)
    assert len(world.index.find(fingerprint(world, NEW))) == 1


def test_old_fingerprints_are_forgotten() -> None:
    world = leaking()
    for number in range(KEPT + 5):
        world.authority.foreign_write(ORDERS, {"password": f"{NEW}-{number}"})
        indexed(world)
    found = world.index.read(ORDERS)
    assert found is not None
    assert len(found.versions) == KEPT
    assert world.index.find(fingerprint(world, OLD)) == ()


def test_configuration_is_not_indexed() -> None:
    world = leaking()
    world.authority.foreign_write(CONFIG, {"password": OLD})
    world.fingerprints.calls.clear()
    indexed(world)
    assert {one.path for one in world.index.find(fingerprint(world, OLD))} == {ORDERS}


def test_an_operator_has_it_brought_up_to_date_and_no_finding_is_looked_at() -> None:
    world = indexed(leaking())
    world.clock.advance(60)
    world.authority.foreign_write(ORDERS, {"password": NEW})
    since = world.clock.now()
    assert behind(world.ports) == (ORDERS,)
    world.say(IndexRequested(since=since, expires=since + timedelta(minutes=15), reason="a search"))
    world.settle()
    assert len(world.index.find(fingerprint(world, NEW))) == 1
    newest = world.index.round()
    assert newest is not None
    assert newest >= since
    assert behind(world.ports) == ()
    assert told(world, TriageRequested) == []


def test_a_version_that_was_marked_and_not_looked_at_is_behind() -> None:
    world = leaking()
    world.index.write(Indexed(ORDERS, {1: IndexedVersion(version(world), revoked=True, looked=False)}))
    assert behind(world.ports) == (ORDERS,)


def test_what_is_behind_is_what_a_round_would_read() -> None:
    world = leaking()
    assert behind(world.ports) == (ORDERS,)
    indexed(world)
    world.authority.foreign_write(ORDERS, {"password": NEW})
    indexed(world)
    world.authority.delete(ORDERS, (2,))
    assert behind(world.ports) == ()  # nothing is left of it to be read
    world.authority.delete_metadata(ORDERS)
    world.clock.advance(60)
    world.authority.foreign_write(ORDERS, {"password": NEW})
    assert behind(world.ports) == (ORDERS,)
