"""What happens side by side, in an unlucky order, or across two changes of the wiring at once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from events.references import PathRef, Version
from events.secret import SecretChanged, SecretConflicted, SecretMaterialized
from functions import publish
from functions._ports import StoredSecret
from functions._values import SecretValue
from tests.fakes.world import World, external_secret, path, push_secret, secret

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
OTHER = path("platform-data/postgres/backstage")
PASSWORD = {"password": f"{PATH.path}#password"}
SECOND = {"second": f"{OTHER.path}#password"}
GRACE = 3600.0


def two_paths() -> World:
    """The producer's Secret feeds two paths by two PushSecrets."""
    world = World()
    world.push(push_secret("temporal", str(SOURCE), PASSWORD))
    world.push(push_secret("backstage", str(SOURCE), {"second": f"{OTHER.path}#password"}))
    world.source(SOURCE, {"password": b"one", "second": b"two"})
    world.settle()
    return world


def sweep(world: World) -> None:
    world.tick()
    world.settle()


# --- two changes of the wiring at once ----------------------------------------------------------------------------


def test_two_external_secrets_swap_their_targets() -> None:
    world = two_paths()
    world.external(external_secret("app/a", PASSWORD, target={"name": "one"}))
    world.external(external_secret("app/b", SECOND, target={"name": "two"}))
    world.settle()
    first = external_secret("app/a", PASSWORD, target={"name": "two"})
    second = external_secret("app/b", SECOND, target={"name": "one"})
    world.wiring.put(first)  # one commit: the whole new wiring is seen before anything is told of it
    world.wiring.put(second)
    world.external(first)
    world.external(second)
    world.settle()
    assert world.dead == []
    assert world.target(secret("app/two")) == {"password": b"one"}
    assert world.target(secret("app/one")) == {"second": b"two"}


def test_two_push_secrets_swap_their_paths() -> None:
    world = two_paths()
    first = push_secret("temporal", str(SOURCE), {"password": f"{OTHER.path}#password"})
    second = push_secret("backstage", str(SOURCE), {"second": f"{PATH.path}#password"})
    world.wiring.put(first)
    world.wiring.put(second)
    world.push(first)
    world.push(second)
    world.settle()
    assert world.path(OTHER) == {"password": b"one"}
    assert world.path(PATH) == {"password": b"two"}
    assert {claim.path: claim.owner.rpartition("/")[2] for claim in world.claims.all()} == {
        OTHER: "temporal",
        PATH: "backstage",
    }


def test_an_absence_that_ended_and_began_again_waits_its_whole_grace() -> None:
    world = two_paths()
    manifest = external_secret("app/a", PASSWORD)
    ref = world.external(manifest)
    world.settle()
    world.unwire(ref)
    world.settle()
    world.clock.advance(GRACE / 2)
    world.external(manifest)
    sweep(world)
    assert world.tombstones.list() == ()
    world.clock.advance(GRACE / 4)
    world.unwire(ref)
    world.settle()
    [tombstone] = world.tombstones.list()
    assert tombstone.due - world.clock.now() == timedelta(seconds=GRACE)


# --- an owner that changes while it is read -------------------------------------------------------------------------


def test_a_claim_that_was_read_before_a_takeover_writes_nothing_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim and data are read side by side: the claim may be older than the data, and then does not count."""
    world = two_paths()
    [ours] = [claim for claim in world.claims.all() if claim.path == PATH]
    real = world.authority.read
    taken: list[PathRef] = []

    def taken_over_meanwhile(where: PathRef, version: Version | None = None) -> StoredSecret | None:
        if where == PATH and not taken:  # the claim is asked for by now
            taken.append(where)
            world.claims.seed(replace(ours, owner="PushSecret other/owner", cluster="other", epoch=ours.epoch + 1))
            world.authority.foreign_write(PATH, {"password": "theirs"})
        return real(where, version)

    monkeypatch.setattr(world.authority, "read", taken_over_meanwhile)
    world.source(SOURCE, {"password": b"newer", "second": b"two"})
    world.settle()
    assert taken
    assert world.path(PATH) == {"password": b"theirs"}
    told = [one for one in world.events(SecretConflicted) if isinstance(one, SecretConflicted)]
    assert {one.outcome for one in told} == {"owned-by-other"}


def test_a_source_that_was_read_before_a_newer_one_was_published_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source and data are read side by side: the source may be older than the data, and then does not count."""
    world = two_paths()
    world.secrets.put(SOURCE, {"password": b"older", "second": b"two"})  # of which a delivery is about to write
    real = world.authority.read
    overtaken: list[PathRef] = []

    def overtaken_meanwhile(where: PathRef, version: Version | None = None) -> StoredSecret | None:
        if where == PATH and not overtaken:  # the source is asked for by now
            overtaken.append(where)
            seen = world.secrets.put(SOURCE, {"password": b"newer", "second": b"two"})
            list(publish.handle(SecretChanged(secret=SOURCE, seen=seen), world.ports))
        return real(where, version)

    monkeypatch.setattr(world.authority, "read", overtaken_meanwhile)
    list(publish.handle(SecretChanged(secret=SOURCE, seen="older"), world.ports))
    assert overtaken
    assert world.path(PATH) == {"password": b"newer"}


def test_a_source_that_is_read_beside_the_authority_is_read_once() -> None:
    world = two_paths()
    seen = world.secrets.put(SOURCE, {"password": b"newer", "second": b"two"})
    world.secrets.calls.clear()
    list(publish.handle(SecretChanged(secret=SOURCE, seen=seen), world.ports))
    assert [call for call in world.secrets.calls if call[0] == "read"] == [("read", str(SOURCE))] * 2  # of two paths
    assert world.path(PATH) == {"password": b"newer"}


# --- several manifests and one Secret -----------------------------------------------------------------------------


def test_merging_into_another_manifests_secret_never_drops_its_keys() -> None:
    world = two_paths()
    world.external(external_secret("app/owner", PASSWORD, target={"name": "db"}))
    world.settle()
    world.external(external_secret("app/merger", SECOND, target={"name": "db", "creationPolicy": "Merge"}))
    world.settle()
    sweep(world)
    assert world.target(secret("app/db")) == {"password": b"one"}
    assert any("is managed by ExternalSecret app/owner" in reason for _, reason in world.dead)


@pytest.mark.orderly("it counts what one sweep tells")
def test_an_immutable_target_with_the_same_data_gets_the_stamp_it_is_said_to_carry() -> None:
    world = two_paths()
    world.external(external_secret("app/fixed", PASSWORD, target={"immutable": True}))
    world.settle()
    world.push(push_secret("temporal", str(SOURCE), {**PASSWORD, "second": f"{PATH.path}#more"}))
    world.settle()
    target = world.secrets.read(secret("app/fixed"))
    assert target is not None
    assert target.stamp[str(PATH)].number == 2
    said = [event for event in world.events(SecretMaterialized) if isinstance(event, SecretMaterialized)][-1]
    assert dict(said.stamp) == dict(target.stamp)
    before = len(world.said)
    sweep(world)
    assert len(world.said) == before + 1, "nothing is ordered again"


# --- find ----------------------------------------------------------------------------------------------------------


def found(world: World, deletion: str = "Retain") -> None:
    for name in ("a", "b"):
        world.authority.foreign_write(path(f"people/{name}"), {"x": name})
    world.external(
        external_secret(
            "find/all",
            target={"deletionPolicy": deletion},
            dataFrom=[{"find": {"path": "people"}, "rewrite": [{"regexp": {"source": "people_(.*)", "target": "$1"}}]}],
        )
    )
    world.settle()


def delete(world: World, gone: PathRef) -> None:
    head = world.authority.head(gone)
    assert head is not None
    world.authority.delete(gone, head.live)


def test_a_found_path_that_is_deleted_leaves_the_target_and_blocks_no_other() -> None:
    world = World()
    found(world)
    delete(world, path("people/a"))
    sweep(world)
    assert world.target(secret("find/all")) == {"b": b'{"x":"b"}'}
    world.authority.foreign_write(path("people/b"), {"x": "new"})
    sweep(world)
    assert world.target(secret("find/all")) == {"b": b'{"x":"new"}'}


def test_a_finding_consumer_goes_only_with_the_last_of_its_paths() -> None:
    world = World()
    found(world, deletion="Delete")
    delete(world, path("people/a"))
    for _ in range(2):
        sweep(world)
        world.clock.advance(GRACE + 1)
    sweep(world)
    assert world.target(secret("find/all")) == {"b": b'{"x":"b"}'}
    delete(world, path("people/b"))
    for _ in range(2):
        sweep(world)
        world.clock.advance(GRACE + 1)
    sweep(world)
    assert world.target(secret("find/all")) is None


# --- publish beside publish, retract beside publish ---------------------------------------------------------------


def test_a_stale_read_forgets_no_newer_confirmation() -> None:
    world = two_paths()
    world.external(external_secret("app/a", PASSWORD))
    world.settle()
    world.secrets.put(SOURCE, {"password": b"new", "second": b"two"})
    world.source(SOURCE, {"password": b"new", "second": b"two"})
    forgotten: list[str] = []
    inside = [False]

    def beside(operation: str, subject: str) -> None:
        # right after one delivery has read the authority, another one does all of its work
        if operation == "read" and subject == str(PATH) and not inside[0]:
            inside[0] = True
            delivery = next(each for each in world.queue if each.step.name == "publish")
            tuple(delivery.step.handle(delivery.received.event, world.ports))

    world.publications.before = lambda operation, about: forgotten.append(str(about)) if "forget" in operation else None
    world.queue.extend(tuple(each for each in world.queue if each.step.name == "publish"))
    first = world.queue.popleft()
    world.authority.after = beside
    world.deliver(first)
    world.authority.after = lambda operation, subject: None
    assert inside[0]
    assert forgotten == []
    world.settle()
    assert world.target(secret("app/a")) == {"password": b"new"}


def test_a_foreign_value_of_a_property_that_the_manifest_dropped_is_not_kept() -> None:
    world = World()
    both = {"password": f"{PATH.path}#password", "second": f"{PATH.path}#second"}
    world.push(push_secret("temporal", str(SOURCE), both))
    world.source(SOURCE, {"password": b"one", "second": b"two"})
    world.settle()
    world.push(push_secret("temporal", str(SOURCE), PASSWORD))
    world.settle()
    world.authority.foreign_write(PATH, {"password": "evil", "second": "evil"})
    sweep(world)
    assert world.path(PATH) == {"password": b"one", "second": b"two"}


def test_a_version_about_to_be_deleted_is_no_confirmed_one() -> None:
    world = World()
    push = push_secret("temporal", str(SOURCE), PASSWORD, deletion="Delete")
    world.push(push)
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    claim = world.claims.read(PATH)
    assert claim is not None
    # retract died, or was overtaken, between marking the claim and deleting
    world.claims.update(replace(claim, state="retired", deleted=(1,)))
    world.push(push)
    world.settle()
    world.authority.delete(PATH, (1,))
    assert world.path(PATH) == {"password": b"one"}


def test_suspended_between_the_check_and_the_second_attempt() -> None:
    world = two_paths()
    raced = [False]

    def race(operation: str, subject: str) -> None:
        if operation == "write" and subject == str(PATH) and not raced[0]:
            raced[0] = True
            world.suspensions.everything = "stop"
            stored = world.authority.read(PATH)
            assert stored is not None
            world.authority.write(PATH, {"password": SecretValue.of("foreign")}, stored.version)

    world.authority.before = race
    world.source(SOURCE, {"password": b"new", "second": b"two"})
    world.settle()
    assert world.path(PATH) == {"password": b"foreign"}
