from datetime import timedelta

import pytest

from events.claim import ClaimRequested
from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import Unavailable
from infra.hosts.views.changes import Change
from infra.hosts.views.rehearsal import Rehearsal
from tests.fakes.world import World, external_secret, path, push_secret
from tests.infra.hosts.views.scene import CANARY, ENTRIES, PATH, SOURCE, TARGET, Scene, in_step, value

WRITES = {"write", "create", "update", "delete", "record", "forget", "remove"}


def rehearsed(world: World, *events: Event) -> Rehearsal:
    """A rehearsal that is held against writing anything."""
    before = _writes(world)
    claims, known = world.claims.all(), dict(world.publications.known)
    rehearsal = Rehearsal(lambda _: world.ports)
    rehearsal.tell(*events)
    assert _writes(world) == before, "a rehearsal wrote"
    assert (world.claims.all(), dict(world.publications.known)) == (claims, known)
    assert CANARY not in repr(rehearsal.changes) + repr(rehearsal.blocked)
    return rehearsal


def _writes(world: World) -> int:
    calls = [*world.authority.calls, *world.claims.calls, *world.secrets.calls, *world.tombstones.calls]
    return sum(operation in WRITES for operation, _ in calls)


def publish(world: World, of: PathRef = PATH) -> Event:
    return PublishRequested(path=of, expires=world.clock.now() + timedelta(hours=1), reason="rehearsal")


def materialize(world: World, ref: str = str(TARGET)) -> Event:
    namespace, name = ref.split("/")
    consumer = ManifestRef(kind="ExternalSecret", namespace=namespace, name=name)
    target = next(c.target for c in world.wiring.external_secrets() if c.ref == consumer)
    return MaterializeRequested(
        consumer=consumer, secret=target, expires=world.clock.now() + timedelta(hours=1), reason="rehearsal"
    )


def told(rehearsal: Rehearsal) -> list[tuple[str, str, str]]:
    return [(change.step, change.action, str(change.target)) for change in rehearsal.changes]


def keys(change: Change) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return change.keys.added, change.keys.changed, change.keys.removed


def test_nothing_changes_where_all_is_in_step() -> None:
    world = in_step().world
    rehearsal = rehearsed(world, publish(world), materialize(world))
    assert (rehearsal.changes, rehearsal.blocked) == ((), [])


def test_a_changed_source_is_followed_to_its_consumers_by_key_names() -> None:
    world = in_step().world
    world.secrets.put(SOURCE, {"password": value("2"), "other": value("not wired")})
    rehearsal = rehearsed(world, publish(world))
    assert told(rehearsal) == [("publish", "write", str(PATH)), ("materialize", "update", str(TARGET))]
    assert keys(rehearsal.changes[0]) == ((), ("password",), ())
    assert keys(rehearsal.changes[1]) == ((), ("password",), ())


def test_it_tells_what_the_steps_then_really_write() -> None:
    world = Scene().world
    world.push(push_secret("push", str(SOURCE), ENTRIES))
    world.external(external_secret(str(TARGET), extract=PATH.path))
    world.secrets.put(SOURCE, {"password": value("1")})
    world.queue.clear()
    rehearsal = rehearsed(world, publish(world))
    assert told(rehearsal) == [
        ("publish", "claim", str(PATH)), ("publish", "write", str(PATH)), ("materialize", "create", str(TARGET)),
    ]  # fmt: skip
    world.say(publish(world))
    world.settle()
    assert world.path(PATH) is not None
    assert set(world.target(TARGET) or {}) == set(rehearsal.changes[-1].keys.added)


def test_what_is_derived_from_a_target_is_followed_too() -> None:
    world = in_step().world
    derived = path("platform-data/postgres/derived")
    push = push_secret("derived", str(TARGET), {"password": f"{derived.path}#password"})
    push = push.model_copy(
        update={"metadata": push.metadata.model_copy(update={"annotations": {"lockstep.dev/derived": "true"}})}
    )
    world.push(push)
    world.settle()
    world.secrets.put(SOURCE, {"password": value("2")})
    rehearsal = rehearsed(world, publish(world))
    assert told(rehearsal) == [
        ("publish", "write", str(PATH)), ("materialize", "update", str(TARGET)), ("publish", "write", str(derived)),
    ]  # fmt: skip


def test_a_missing_key_blocks_with_the_steps_own_reason() -> None:
    world = in_step().world
    world.secrets.put(SOURCE, {"user": value("2")})
    rehearsal = rehearsed(world, publish(world))
    assert [(one.step, one.kind) for one in rehearsal.blocked] == [("publish", "reject")]
    assert "no source Secret has key 'password'" in rehearsal.blocked[0].reason


def test_an_unclaimed_path_that_exists_is_a_conflict() -> None:
    world = Scene().world
    world.push(push_secret("push", str(SOURCE), ENTRIES))
    world.secrets.put(SOURCE, {"password": value("1")})
    world.authority.foreign_write(PATH, {"password": value("theirs")})
    rehearsal = rehearsed(world, publish(world))
    assert [(one.kind, "lockstep adopt" in one.reason) for one in rehearsal.blocked] == [("conflict", True)]
    adopting = ClaimRequested(
        path=PATH, claimant=next(world.wiring.push_secrets()).ref, epoch=0,
        base=world.authority.head(PATH).version,  # type: ignore[union-attr]  # it was written above
        by="operator:0", expires=world.clock.now() + timedelta(hours=1), reason="test",
    )  # fmt: skip
    assert told(rehearsed(world, adopting)) == [
        ("publish", "claim", str(PATH)), ("publish", "write", str(PATH)),
    ]  # fmt: skip


def test_a_value_that_the_authority_cannot_hold_is_told() -> None:
    world = in_step().world
    world.secrets.put(SOURCE, {"password": b"\xff\xfe" + CANARY.encode()})
    assert "not UTF-8" in rehearsed(world, publish(world)).blocked[0].reason


def test_a_sealed_authority_is_a_reason_not_a_failure() -> None:
    world = in_step().world
    world.authority.sealed = True
    rehearsal = rehearsed(world, publish(world))
    assert [(one.kind, "sealed" in one.reason) for one in rehearsal.blocked] == [("retry", True)]


@pytest.mark.parametrize("due", [False, True])
def test_tombstones_are_rehearsed_when_they_are_due(due: bool) -> None:
    world = in_step().world
    world.unwire(next(world.wiring.external_secrets()).ref)
    world.settle()
    world.clock.advance(7200 if due else 60)
    rehearsal = Rehearsal(lambda _: world.ports)
    rehearsal.tombstones_due()
    assert told(rehearsal) == ([("retract", "delete", str(TARGET))] if due else [])
    assert world.target(TARGET) is not None
    assert len(world.tombstones.list()) == 1


def test_held_retractions_are_blocked_not_changes() -> None:
    world = in_step().world
    world.unwire(next(world.wiring.external_secrets()).ref)
    world.settle()
    world.clock.advance(7200)
    world.wiring.whole = False
    rehearsal = Rehearsal(lambda _: world.ports)
    rehearsal.tombstones_due()
    assert rehearsal.changes == ()
    assert [one.kind for one in rehearsal.blocked] == ["held"]


def test_a_store_that_fails_half_way_leaves_a_reason() -> None:
    world = in_step().world
    world.secrets.put(SOURCE, {"password": value("2")})

    def refuse(operation: str, ref: SecretRef) -> None:
        if operation == "read" and ref == TARGET:
            raise Unavailable("directory", f"{ref}: cannot read it")

    world.secrets.before = refuse
    rehearsal = rehearsed(world, publish(world))
    assert told(rehearsal) == [("publish", "write", str(PATH))]
    assert [(one.step, one.kind) for one in rehearsal.blocked] == [("materialize", "retry")]


def test_what_is_looked_at_ahead_is_not_asked_again_and_changes_nothing_that_is_told() -> None:
    world = in_step().world
    world.source(SOURCE, {"password": value("2")})
    events = publish(world), materialize(world)
    before = told(rehearsed(world, *events))
    rehearsal = Rehearsal(lambda _: world.ports)
    rehearsal.look_ahead(events)
    world.authority.calls.clear()
    world.claims.calls.clear()
    for event in events:
        rehearsal.tell(event)
    assert told(rehearsal) == before != []
    assert world.authority.calls == world.claims.calls == []
    rehearsal.look_ahead(())
    rehearsal.tell(publish(world))
    assert len(world.claims.calls) == 1, "what was seen counts until the next look ahead"


def test_what_could_not_be_looked_at_ahead_is_what_the_step_says() -> None:
    world = in_step().world

    def fail(operation: str, subject: str) -> None:
        raise Unavailable("authority", "sealed")

    world.authority.before = fail
    rehearsal = Rehearsal(lambda _: world.ports)
    rehearsal.look_ahead((publish(world), materialize(world)))
    rehearsal.tell(publish(world))
    (blocked,) = rehearsal.blocked
    assert "sealed" in blocked.reason
