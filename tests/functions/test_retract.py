"""retract and sweep over fakes: tombstones, grace, rechecks, limits."""

from datetime import timedelta
from typing import NoReturn

import pytest

from events.orders import RetractRequested
from events.references import ManifestRef, SecretRef
from events.secret import SecretChanged, SecretRetracted
from events.wiring import WiringChanged
from functions import publish, retract
from functions._failures import Denied, Reject
from functions._manifests.push_secret import PushSecret
from functions._marks import CREATION_POLICY
from functions._ports import Settings
from tests.fakes.world import World, external_secret, path, push_secret, secret

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
TARGET = secret("temporal/postgres")
GRACE = 3600.0


def outcomes(world: World) -> list[str]:
    return [event.outcome for event in world.events(SecretRetracted) if isinstance(event, SecretRetracted)]


def build(
    deletion: str = "Delete", *, grace: float = GRACE, **target: object
) -> tuple[World, ManifestRef, ManifestRef]:
    world = World(settings=Settings(cluster="test", retraction_grace=grace))
    push = world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}, deletion=deletion))
    external = world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}, target=dict(target)))
    world.push(push_secret("stays", "redis/credentials", {"p": "platform-data/redis/temporal#password"}))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    return world, push, external


def after_grace(world: World) -> None:
    world.clock.advance(GRACE + 1)
    world.tick()
    world.settle()


def test_an_absence_only_writes_a_tombstone() -> None:
    world, push, external = build()
    world.unwire(push)
    world.unwire(external)
    world.settle()
    world.tick()
    world.settle()
    assert world.path(PATH) == {"password": b"one"}
    assert world.target(TARGET) == {"password": b"one"}
    assert len(world.tombstones.list()) == 2


def test_after_grace_exactly_that_is_deleted() -> None:
    world, push, external = build()
    world.unwire(push)
    world.unwire(external)
    world.settle()
    after_grace(world)
    assert world.path(PATH) is None
    assert world.target(TARGET) is None
    assert world.tombstones.list() == ()
    assert [call for call in world.authority.calls if call[0] == "delete"] == [("delete", str(PATH))]


def test_versions_are_soft_deleted_and_come_back_with_their_producer() -> None:
    world, push, _ = build()
    manifest = world.wiring.push_secret(push)
    assert manifest is not None
    world.unwire(push)
    world.settle()
    after_grace(world)
    assert world.path(PATH) is None
    world.push(manifest)
    world.settle()
    assert world.path(PATH) == {"password": b"one"}
    stored = world.authority.read(PATH)
    assert stored is not None
    assert stored.version.number == 2


def test_without_deletion_policy_the_path_is_released_and_kept() -> None:
    world, push, _ = build(deletion="None")
    world.unwire(push)
    world.settle()
    after_grace(world)
    assert world.path(PATH) == {"password": b"one"}
    [claim] = world.claims.all()
    assert claim.state == "released"


def test_a_manifest_that_comes_back_withdraws_its_tombstone() -> None:
    world, _, external = build()
    back = world.wiring.external_secret(external)
    assert back is not None
    world.unwire(external)
    world.settle()
    world.external(back)
    world.settle()
    after_grace(world)
    assert world.target(TARGET) == {"password": b"one"}
    assert "withdrawn" in outcomes(world)


def test_what_went_came_back_and_went_again_between_two_sweeps_has_its_whole_grace() -> None:
    world, push, external = build()
    wired = world.wiring.push_secret(push), world.wiring.external_secret(external)
    assert wired[0] is not None
    assert wired[1] is not None
    world.unwire(push)
    world.unwire(external)
    world.settle()
    world.clock.advance(GRACE * 0.9)
    world.push(wired[0])
    world.external(wired[1])
    world.settle()
    world.unwire(push)
    world.unwire(external)
    world.settle()
    world.clock.advance(GRACE * 0.2)  # the first grace is over, that of the second deletion is not
    world.tick()
    world.settle()
    assert world.path(PATH) == {"password": b"one"}
    assert world.target(TARGET) == {"password": b"one"}
    after_grace(world)
    assert world.path(PATH) is None
    assert world.target(TARGET) is None


@pytest.mark.parametrize("outcome", ["retracted", "kept", "withdrawn", "held", "noticed"])
def test_what_is_heard_late_takes_no_later_absence_away(outcome: str) -> None:
    world, _, external = build()
    world.unwire(external)
    world.settle()
    (noticed,) = world.tombstones.list()
    heard = {"target": noticed.target, "manifest": external, "tombstone": noticed.id, "outcome": outcome}
    world.say(SecretRetracted.model_validate({**heard, "explanation": "of an absence before this one"}))
    world.settle()
    assert world.tombstones.list() == (noticed,)
    after_grace(world)
    assert world.target(TARGET) is None


def test_an_incomplete_wiring_retracts_nothing() -> None:
    world, push, _ = build()
    world.unwire(push)
    world.settle()
    world.wiring.whole = False
    after_grace(world)
    assert world.path(PATH) == {"password": b"one"}
    assert "held" in outcomes(world)


def test_an_empty_wiring_retracts_nothing() -> None:
    world, _, _ = build()
    for ref in (*world.wiring.pushes, *world.wiring.externals):
        world.unwire(ref)
    world.settle()
    after_grace(world)
    assert world.path(PATH) == {"password": b"one"}
    assert world.target(TARGET) == {"password": b"one"}


@pytest.mark.orderly("it counts what one sweep tells")
def test_too_many_at_once_are_held() -> None:
    world = World(settings=Settings(cluster="test", retraction_grace=GRACE, retraction_limit=2))
    for n in range(4):
        world.external(external_secret(f"app{n}/postgres", {"password": f"{PATH.path}#password"}))
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    for ref in tuple(world.wiring.externals)[:3]:
        world.unwire(ref)
    world.settle()
    after_grace(world)
    assert all(world.target(secret(f"app{n}/postgres")) for n in range(4))
    assert outcomes(world).count("held") == 3


def test_a_newer_version_is_not_deleted() -> None:
    world, push, _ = build()
    world.unwire(push)
    world.settle()
    world.authority.foreign_write(PATH, {"password": "new life"})
    after_grace(world)
    assert world.path(PATH) == {"password": b"new life"}
    assert "kept" in outcomes(world)


def test_a_target_with_another_owner_is_not_deleted() -> None:
    world, _, external = build()
    world.unwire(external)
    world.settle()
    world.secrets.put(TARGET, {"password": b"theirs"}, owner="ExternalSecret temporal/other")
    after_grace(world)
    assert world.target(TARGET) == {"password": b"theirs"}


def test_an_orphan_outlives_its_manifest() -> None:
    world, _, external = build(creationPolicy="Orphan")
    world.unwire(external)
    world.settle()
    after_grace(world)
    assert world.target(TARGET) == {"password": b"one"}


@pytest.mark.parametrize("grace", [0.0, GRACE])
@pytest.mark.parametrize(("policy", "stays"), [("Owner", False), ("Orphan", True)])
def test_what_is_made_while_its_manifest_goes_goes_after_it(grace: float, policy: str, *, stays: bool) -> None:
    """The cluster deletes a target with its manifest; whoever hears of that before the manifest is known to be gone
    makes the target anew, and retract has looked by then."""
    world, _, external = build(creationPolicy=policy, grace=grace)
    world.secrets.remove(TARGET)
    world.unwire(external)
    world.settle()
    world.tick()
    world.settle()
    world.secrets.put(TARGET, {"password": b"one"}, owner=str(external), annotations={CREATION_POLICY: policy})
    after_grace(world)
    assert (world.target(TARGET) is not None) == stays
    assert world.tombstones.list() == ()


def test_a_path_that_is_first_published_while_its_manifest_goes_is_released() -> None:
    world = World()
    manifest = push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"})
    world.push(push_secret("stays", "redis/credentials", {"p": "platform-data/redis/temporal#password"}))
    push = world.push(manifest)
    world.settle()
    world.source(SOURCE, {"password": b"one"})
    world.unwire(push)
    world.settle()
    assert world.claims.all() == ()
    world.wiring.put(manifest)  # whoever saw it a moment ago
    list(publish.handle(SecretChanged(secret=SOURCE, seen="1"), world.ports))
    world.wiring.pushes.pop(push)
    after_grace(world)
    assert [claim.state for claim in world.claims.all()] == ["released"]
    assert world.path(PATH) == {"password": b"one"}
    assert world.publications.read(PATH) is None
    assert world.tombstones.list() == ()


@pytest.mark.orderly("it counts what one sweep tells")
def test_what_is_gone_already_is_not_too_much_at_once() -> None:
    """Owned targets go with their manifests, by the cluster's own hand: nothing is left that a limit would save."""
    world = World(settings=Settings(cluster="test", retraction_grace=GRACE, retraction_limit=2))
    refs = [secret(f"app{n}/postgres") for n in range(5)]
    for ref in refs:
        world.external(external_secret(str(ref), {"password": f"{PATH.path}#password"}))
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    for ref, external in zip(refs, tuple(world.wiring.externals), strict=True):
        world.unwire(external)
        if ref != refs[0]:
            world.secrets.remove(ref)
    world.settle()
    after_grace(world)
    assert [world.target(ref) for ref in refs] == [None] * 5
    assert "held" not in outcomes(world)


@pytest.mark.parametrize("before", ["it is noticed", "it is carried out"])
def test_a_namespace_that_ends_leaves_nothing_to_retract(before: str) -> None:
    """What let us look there goes with it, so that every look is refused for good."""
    world, _, external = build()

    def deny(_: str, ref: SecretRef) -> None:
        raise Denied("kubernetes", f"may not get secrets in namespace temporal ({ref})")

    def end() -> None:
        world.wiring.ended.add("temporal")
        world.secrets.before = deny

    if before == "it is noticed":
        end()
    world.unwire(external)
    world.settle()
    end()
    after_grace(world)
    assert world.dead == []
    assert world.tombstones.list() == ()


def test_a_path_whose_store_went_is_still_its_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    world, push, _ = build()
    manifest = world.wiring.push_secret(push)
    assert manifest is not None

    def unknown(*_: object) -> NoReturn:
        raise Reject("refers to ClusterSecretStore 'vault', which is not wired as a Vault store; add its manifest")

    monkeypatch.setattr(PushSecret, "entries", unknown)
    event = WiringChanged(manifest=push, change="changed", generation="2", paths=(PATH,))
    assert list(retract.handle(event, world.ports)) == []
    assert world.tombstones.list() == ()


def test_a_vanished_source_takes_its_path_only_with_delete() -> None:
    world, _, _ = build()
    world.source_removed(SOURCE)
    world.settle()
    after_grace(world)
    assert world.path(PATH) is None

    world, _, _ = build(deletion="None")
    world.source_removed(SOURCE)
    world.settle()
    after_grace(world)
    assert world.path(PATH) == {"password": b"one"}


def test_a_source_that_comes_back_in_time_keeps_its_path() -> None:
    world, _, _ = build()
    world.source_removed(SOURCE)
    world.settle()
    world.source(SOURCE, {"password": b"two"})
    world.settle()
    after_grace(world)
    assert world.path(PATH) == {"password": b"two"}


def test_dropped_properties_go_after_grace_in_one_write() -> None:
    world = World()
    entries = {"password": f"{PATH.path}#password", "user": f"{PATH.path}#user"}
    world.push(push_secret("temporal", str(SOURCE), entries, deletion="Delete"))
    world.source(SOURCE, {"password": b"p", "user": b"u"})
    world.settle()
    world.push(push_secret("temporal", str(SOURCE), {"password": entries["password"]}, deletion="Delete"))
    world.settle()
    assert world.path(PATH) == {"password": b"p", "user": b"u"}
    after_grace(world)
    assert world.path(PATH) == {"password": b"p"}
    world.tick()
    world.settle()
    assert world.path(PATH) == {"password": b"p"}
    assert world.authority.count("write") == 2


def test_consumers_go_with_their_path_where_they_ask_for_it() -> None:
    world, push, _ = build(deletionPolicy="Delete")
    world.unwire(push)
    world.settle()
    after_grace(world)
    assert world.path(PATH) is None
    world.tick()
    world.settle()
    after_grace(world)
    assert world.target(TARGET) is None


def test_consumers_keep_what_they_have_by_default() -> None:
    world, push, _ = build()
    world.unwire(push)
    world.settle()
    after_grace(world)
    after_grace(world)
    assert world.target(TARGET) == {"password": b"one"}


def test_an_order_for_a_tombstone_that_is_not_due_does_nothing() -> None:
    world, push, _ = build()
    world.unwire(push)
    world.settle()
    [tombstone] = world.tombstones.list()
    order = RetractRequested(
        target=PATH, tombstone=tombstone.id, expires=world.clock.now() + timedelta(hours=1), reason="impatient"
    )
    assert list(retract.handle(order, world.ports)) == []
    assert world.path(PATH) == {"password": b"one"}


def test_nothing_is_retracted_while_suspended() -> None:
    world, push, _ = build()
    world.unwire(push)
    world.settle()
    world.suspensions.everything = "freeze"
    after_grace(world)
    assert world.path(PATH) == {"password": b"one"}
