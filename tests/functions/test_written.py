"""A hint that somebody wrote at the authority: one look at one path, and what the state there says comes of it."""

import pytest

from events.references import PathRef
from events.secret import SecretConflicted, SecretPublished, SecretRetracted, SecretWritten
from tests.fakes.world import World, external_secret, path, push_secret, secret
from tests.functions.rotating import PATH as ROTATED
from tests.functions.rotating import TARGET as DATABASE
from tests.functions.rotating import ask, newest, record, rotating

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
TARGET = secret("temporal/postgres")
OWN = path("auth/app")  # nobody of ours produces it: people write it
APP = secret("app/auth")


@pytest.fixture
def world() -> World:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    return world


@pytest.fixture
def peoples() -> World:
    world = World()
    world.external(external_secret(str(APP), {"token": f"{OWN.path}#token"}))
    world.settle()
    return world


def written(world: World, at: PathRef, data: dict[str, bytes] | None = None) -> None:
    """Somebody writes at the authority (or did already), and its audit stream tells."""
    if data is not None:
        world.authority.foreign_write(at, data)
    world.say(SecretWritten(path=at, seen="r-1"))
    world.settle()


@pytest.mark.orderly("it counts the calls of one change")
def test_a_write_to_the_authoritys_own_path_is_published_at_once(peoples: World) -> None:
    written(peoples, OWN, {"token": b"one"})
    assert peoples.target(APP) == {"token": b"one"}
    peoples.authority.calls.clear()
    written(peoples, OWN, {"token": b"two"})
    assert peoples.target(APP) == {"token": b"two"}
    said = [event for event in peoples.events(SecretPublished) if isinstance(event, SecretPublished)]
    assert [(event.version.number, event.keys, event.origin) for event in said] == [(1, (), None), (2, (), None)]
    assert [call for call, _ in peoples.authority.calls] == ["head", "read"], "the look, and one read for all consumers"


def test_a_write_to_a_producers_path_is_looked_at_at_once_and_not_distributed(world: World) -> None:
    written(world, PATH, {"password": b"foreign"})
    assert world.target(TARGET) == {"password": b"one"}
    assert world.path(PATH) == {"password": b"one"}
    conflicted = world.only(SecretConflicted)
    assert isinstance(conflicted, SecretConflicted)
    assert conflicted.outcome == "foreign-write"
    published = [event.version.number for event in world.events(SecretPublished) if isinstance(event, SecretPublished)]
    assert 2 not in published, "the foreign version is never said to be published"
    assert not world.dead


@pytest.mark.parametrize("what", ["delete", "delete_metadata"])
def test_a_producers_path_that_somebody_deleted_is_written_again_at_once(world: World, what: str) -> None:
    world.authority.delete(PATH, (1,)) if what == "delete" else world.authority.delete_metadata(PATH)
    written(world, PATH)
    assert world.path(PATH) == {"password": b"one"}


@pytest.mark.orderly("it counts the calls of one hint")
def test_a_forged_or_replayed_hint_says_again_what_is_true(world: World, peoples: World) -> None:
    written(peoples, OWN, {"token": b"one"})
    before = peoples.authority.read(OWN), peoples.secrets.head(APP)
    for _ in range(3):
        written(peoples, OWN)
    assert (peoples.authority.read(OWN), peoples.secrets.head(APP)) == before
    said, writes = len(world.said), world.authority.count("write")
    written(world, PATH)
    assert (len(world.said), world.authority.count("write")) == (said + 1, writes), "the hint, and nothing of it"
    world.authority.calls.clear()
    written(world, path("nobody/asks"))
    assert world.authority.calls == []


def test_a_write_of_ours_that_is_told_is_no_conflict(world: World) -> None:
    """Where all steps share an identity with people, the audit stream cannot leave our own lines out."""
    world.source(SOURCE, {"password": b"two"})
    world.say(SecretWritten(path=PATH, seen="r-1"))
    world.settle()
    assert world.target(TARGET) == {"password": b"two"}
    assert world.authority.count("write") == 2
    assert not world.events(SecretConflicted)


def test_a_deleted_path_of_the_authority_takes_along_what_asked_for_it(peoples: World) -> None:
    other = secret("other/auth")
    peoples.external(external_secret(str(other), {"token": f"{OWN.path}#token"}, target={"deletionPolicy": "Delete"}))
    written(peoples, OWN, {"token": b"one"})
    peoples.authority.delete(OWN, (1,))
    written(peoples, OWN)
    noticed = [event for event in peoples.events(SecretRetracted) if isinstance(event, SecretRetracted)]
    assert {str(event.target) for event in noticed} == {str(other)}, "who did not ask for it keeps what he has"
    assert peoples.target(APP) == {"token": b"one"}


def test_a_path_that_is_found_by_a_search_is_published_and_leaves_with_its_deletion() -> None:
    world = World()
    find = {"find": {"path": "auth", "name": {"regexp": ".*"}}}
    world.external(external_secret(str(APP), dataFrom=[find]))
    written(world, path("auth/one"), {"token": b"1"})
    written(world, path("auth/two"), {"token": b"2"})
    assert len(world.target(APP) or {}) == 2
    world.authority.delete(path("auth/two"), (1,))
    written(world, path("auth/two"))
    assert len(world.target(APP) or {}) == 1


def test_nothing_is_published_while_it_is_suspended(peoples: World) -> None:
    peoples.suspensions.subjects[APP.subject] = "incident"
    written(peoples, OWN, {"token": b"one"})
    assert peoples.target(APP) is None


# --- what is rotated ------------------------------------------------------------------------------------------------


def rotated() -> World:
    """A path that a Rotation alone confirms, and its consumers carry."""
    world = rotating("alternating")
    ask(world)
    world.settle()
    assert record(world).phase == "completed"
    return world


@pytest.mark.parametrize("how", ["hint", "sweep"])
def test_what_somebody_wrote_over_a_rotated_path_is_named_and_not_distributed(how: str) -> None:
    world = rotated()
    kept = world.target(DATABASE)
    published = len(world.events(SecretPublished))
    world.authority.foreign_write(ROTATED, {"username": b"mallory", "password": b"theirs"})
    if how == "hint":
        written(world, ROTATED)
    else:
        world.tick()
        world.settle()
    told = world.only(SecretConflicted)
    assert isinstance(told, SecretConflicted)
    assert (told.outcome, told.claimant.kind, told.version) == ("foreign-write", "Rotation", newest(world, ROTATED))
    assert "lockstep rotate orders/database" in told.explanation
    assert world.target(DATABASE) == kept
    assert len(world.events(SecretPublished)) == published
    assert not world.dead
    ask(world)  # whoever asks has it replaced
    world.settle()
    assert record(world).phase == "completed"
    assert world.target(DATABASE) not in (kept, {"username": b"mallory", "password": b"theirs"})


@pytest.mark.parametrize("how", ["hint", "sweep"])
def test_a_rotated_path_that_somebody_deleted_is_named(how: str) -> None:
    world = rotated()
    world.authority.delete(ROTATED, (2,))
    if how == "hint":
        written(world, ROTATED)
    else:
        world.tick()
        world.settle()
    told = world.only(SecretConflicted)
    assert isinstance(told, SecretConflicted)
    assert "deleted" in told.explanation


def test_a_path_that_only_a_rotation_names_is_looked_at() -> None:
    world = rotated()
    for consumer in tuple(world.ports.wiring.external_secrets()):
        world.wiring.externals.pop(consumer.ref)
    world.settle()
    world.authority.foreign_write(ROTATED, {"password": b"theirs"})
    written(world, ROTATED)
    assert isinstance(world.only(SecretConflicted), SecretConflicted)


@pytest.mark.orderly("it counts the calls of one sweep")
def test_an_unchanged_rotated_path_costs_a_sweep_one_look_and_its_record() -> None:
    world = rotated()
    world.authority.calls.clear()
    world.tick()
    world.settle()
    assert world.authority.calls == [("head", str(ROTATED))]
    assert not world.events(SecretConflicted)


def test_a_rotations_own_writes_are_no_conflict() -> None:
    """At every step of it, where the audit stream cannot leave our own lines out."""
    world = rotating("alternating")
    ask(world)
    for _ in range(200):
        if not world.queue:
            break
        world.deliver(world.queue.popleft())
        world.say(SecretWritten(path=ROTATED, seen="r-1"))
        if len(world.queue) > 40:
            world.settle()
    world.settle()
    assert record(world).phase == "completed"
    assert not world.events(SecretConflicted)
