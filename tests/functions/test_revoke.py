"""revoke: evidence, grace, deadlines, and the login that must be refused."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from events.rotated import RotationCompleted, RotationFailed, RotationPromoted, RotationRevoked
from events.rotation import PhaseRequested
from events.secret import SecretMaterialized
from functions._orders import expiry
from functions._ports import Settings
from functions._systems import Before, Credential, nothing
from functions._values import SecretValue
from functions._workloads import Use
from functions.revoke import STEP as REVOKE
from tests.fakes.workloads import workload_ref
from tests.fakes.world import Delivery, World, external_secret, rotation, rotation_target
from tests.functions.rotating import (
    FIRST,
    OTHER,
    PATH,
    STRATEGIES,
    TARGET,
    abort,
    ask,
    failures,
    finished,
    live,
    login,
    newest,
    record,
    rotating,
    system_of,
    tick,
    until,
)


def stuck_consumer(world: World) -> None:
    """One consumer is suspended, so it keeps the old value."""
    world.suspensions.subjects[OTHER.subject] = "test"


def test_a_planned_revocation_waits_for_every_consumer_for_ever_and_says_so_once() -> None:
    world = rotating("alternating")
    stuck_consumer(world)
    ask(world)
    world.settle()
    tick(world, 1000, 20)
    assert record(world).phase == "promoted"
    assert failures(world) == [("revoke", "no-evidence", False)]
    assert system_of(world).lets_in("app_a", FIRST)
    world.suspensions.subjects.clear()
    world.tick()
    world.settle()
    finished(world)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_leak_waits_no_longer_than_its_deadline() -> None:
    world = rotating("alternating", leak={"deadline": "2m"})
    stuck_consumer(world)
    ask(world, "leak")
    world.settle()
    assert record(world).phase == "promoted"
    tick(world, 200)
    assert record(world).phase == "completed"
    (told,) = world.events(RotationRevoked)
    assert (told.evidence, told.proof) == ("none", "refused")  # type: ignore[attr-defined]
    assert not system_of(world).lets_in("app_a", FIRST)


def test_grace_begins_when_all_have_moved_and_anew_when_a_consumer_comes() -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    tick(world, 1800)
    assert record(world).phase == "promoted"
    world.access.denied_read.add(("late", str(PATH)))
    world.external(external_secret("late/database", extract=PATH.path))
    world.settle()
    tick(world, 1900)
    assert record(world).phase == "promoted"
    assert record(world).evidenced is None
    world.access.denied_read.clear()
    world.dead.clear()  # the new consumer was refused what it may not read
    world.tick()
    world.settle()
    assert record(world).phase == "promoted"
    tick(world, 3700)
    finished(world)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda world, ref: world.wiring.problems.update({ref: "bad"}), "may not act"),
        (lambda world, _: world.secrets.remove(OTHER), "has not made its Secret"),
        (lambda world, _: setattr(world.wiring, "whole", False), "wiring cannot be read"),
        (lambda world, _: world.secrets.drift(OTHER, "password", b"theirs"), "was changed by somebody else"),
        (
            lambda world, _: world.wiring.put(
                external_secret(str(OTHER), extract=PATH.path, target={"creationPolicy": "None"})
            ),
            "makes no Secret",
        ),
        (
            lambda world, _: world.wiring.put(
                external_secret(
                    str(OTHER), data=[{"secretKey": "p", "remoteRef": {"key": PATH.path, "version": "1"}}]
                )
            ),
            "pins another version",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_to_have_moved_has_not(spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    ref = next(ref for ref in world.wiring.externals if ref.namespace == "reports")
    spoil(world, ref)
    tick(world, 3700)
    tick(world, 60)
    assert record(world).phase == "promoted"
    told = [event for event in world.said if event.TYPE == "dev.lockstep.rotation.failed"]
    assert [said in event.explanation for event in told] == [True]  # type: ignore[attr-defined]


def test_rolled_out_waits_for_workloads_that_asked() -> None:
    world = rotating("alternating", evidence="rolled-out")
    app = workload_ref("orders/app")
    uses = {TARGET.name: frozenset({Use.ENVIRONMENT})}
    began = world.clock.now() - timedelta(hours=1)
    world.workloads.put(app, uses, annotations={"lockstep.dev/restart": "true"}, began=began)
    world.clock.advance(60)
    ask(world)
    world.settle()
    assert record(world).phase == "promoted"
    world.clock.advance(30)
    world.workloads.complete(app, world.clock.now())
    world.tick("rollouts")
    world.settle()
    tick(world, 1000)
    assert record(world).phase == "completed"
    assert record(world).evidence == "rolled-out"


def test_seen_waits_for_a_login_with_the_new_credential() -> None:
    world = rotating("alternating", evidence="seen")
    ask(world)
    world.settle()
    known = record(world)
    system_of(world).accounts["app_b"].last.clear()
    if known.phase == "promoted":
        tick(world, 1000, 2)
        assert failures(world) == [("revoke", "no-evidence", False)]
    world.clock.advance(5)
    assert login(world, live(world))
    tick(world, 1000)
    assert record(world).evidence == "seen"
    assert record(world).phase == "completed"


def test_an_old_credential_that_stays_accepted_is_told_and_tried_again() -> None:
    world = rotating("alternating")
    system_of(world).stubborn.add(FIRST)
    ask(world)
    world.settle()
    tick(world, 700, 3)
    assert record(world).phase == "promoted"
    assert failures(world) == [("revoke", "still-accepted", False)]
    assert world.events(RotationCompleted) == []
    system_of(world).stubborn.clear()
    tick(world, 700)
    finished(world)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_revoking_first_where_its_owner_opted_in(strategy: str) -> None:
    world = rotating(strategy, leak={"response": "revoke-first"})
    order: list[str] = []
    system_of(world).before = lambda operation, _: order.append(operation)
    ask(world, "leak")
    world.settle()
    finished(world)
    assert order.index("revoke") < order.index("mint" if strategy == "minted" else "apply")
    assert record(world).revoked_first


def test_a_planned_rotation_of_such_a_secret_revokes_last() -> None:
    world = rotating("alternating", leak={"response": "revoke-first"})
    ask(world)
    until(world, "applied")
    ask(world, "leak")
    while record(world).policy != "leak":  # an order that comes after the promotion comes too late
        world.deliver(world.queue.popleft())
    world.settle()
    assert record(world).revoked_first
    finished(world)


def test_a_stamp_of_a_path_before_it_began_anew_is_no_evidence() -> None:
    """Its number is higher, and what it carries is older than all that the path holds now."""
    world = World(settings=Settings(cluster="test"))
    world.declare(rotation_target()).open_account("app_a", FIRST)
    system_of(world).open_account("app_b", b"nobody-knows")
    for number in range(5):
        world.authority.foreign_write(PATH, {"username": "app_a", "password": f"former-{number}"})
    world.external(external_secret(str(OTHER), extract=PATH.path))
    world.settle()
    world.authority.delete_metadata(PATH)
    world.clock.advance(60)
    world.authority.foreign_write(PATH, {"username": b"app_a", "password": FIRST})
    stuck_consumer(world)
    world.rotate(rotation("orders/database", PATH.path, strategy="alternating"))
    world.settle()
    ask(world)
    world.settle()
    tick(world, 1000, 2)
    assert record(world).phase == "promoted"
    assert failures(world) == [("revoke", "no-evidence", False)]
    assert system_of(world).lets_in("app_a", FIRST)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_old_credential_is_kept_where_the_new_one_was_ended_meanwhile(strategy: str) -> None:
    world = rotating(strategy, grace="1h")
    ask(world)
    world.settle()
    system = system_of(world)
    account = "app_b" if strategy == "alternating" else "app"
    held = list(system.accounts[account].accepted)
    keep = [one for one in held if one[1].reveal() == FIRST]
    system.accounts[account].accepted = keep
    before = list(system.changes)
    tick(world, 3700)
    tick(world, 700, 3)
    assert record(world).phase == "promoted"
    assert failures(world) == [("revoke", "not-accepted", False)]
    assert system.changes == before
    if strategy == "alternating":
        assert system.lets_in("app_a", FIRST)
    (told,) = [event for event in world.said if isinstance(event, RotationFailed)]
    assert told.holds == ("unknown" if strategy == "single" else "old")
    system.accounts[account].accepted = held
    tick(world, 700)
    finished(world)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_record_that_somebody_forged_ends_no_credential_that_consumers_are_given(strategy: str) -> None:
    """Whoever stole one rotating step's token may write the record; what is confirmed they may not."""
    world = rotating(strategy, grace="1h")
    ask(world)
    world.settle()
    true = record(world)
    assert true.new is not None
    assert true.promoted is not None
    live = replace(true.new, version=true.promoted)
    world.rotations.write(replace(true, old=live, policy="leak", orphans=()))
    changes = list(system_of(world).changes)
    tick(world, 3700)
    assert system_of(world).changes == changes
    assert record(world).phase == "promoted"
    assert failures(world)[-1] == ("revoke", "not-allowed", False)


def test_a_leaked_credential_dies_whatever_became_of_its_successor() -> None:
    world = rotating("alternating", grace="1h")
    ask(world, base=newest(world))
    before = newest(world)
    world.settle()
    system_of(world).accounts["app_b"].accepted.clear()
    ask(world, "leak", base=before)
    world.settle()
    assert record(world).phase == "completed"
    assert not system_of(world).lets_in("app_a", FIRST)


def test_whoever_is_late_leaves_an_account_alone_that_has_its_next_credential() -> None:
    """A delivery looked at the record and slept, while others revoked, and the accounts took turns again."""
    world = rotating("alternating")
    ask(world, "leak")
    until(world, "promoted")
    delivery = next(one for one in world.queue if one.step.name == "revoke")
    slept: list[str] = []

    def sleep(operation: str, _subject: object) -> None:
        if slept:
            return
        slept.append(operation)
        world.settle()
        ask(world, "leak")
        world.settle()
        assert len({one.id for one in world.rotations.history if one.phase == "promoted"}) == 2
        assert login(world, live(world))

    world.secrets.before = sleep
    world.deliver(type(delivery)(delivery.step, delivery.received))
    world.settle()
    assert slept
    assert (live(world) or {})["username"] == b"app_a"
    assert login(world, live(world)), "the newest credential was ended by a delivery that came late"


@pytest.mark.parametrize("reason", ["suspended", "not-allowed"])
def test_after_promotion_a_suspension_or_a_withdrawn_allowance_keeps_the_old_credential(reason: str) -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    if reason == "suspended":
        world.suspensions.subjects[PATH.subject] = "migration"
    else:
        world.systems.targets.update(orders=rotation_target(allow=[]))
    tick(world, 3700)
    tick(world, 700, 2)
    assert failures(world) == [("revoke", reason, False)]
    assert system_of(world).lets_in("app_a", FIRST)
    world.suspensions.subjects.clear()
    world.systems.targets.update(orders=rotation_target())
    tick(world, 700)
    finished(world)


def test_a_secret_that_another_manifest_makes_is_no_evidence() -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    ref = next(ref for ref in world.wiring.externals if ref.namespace == "reports")
    world.wiring.remove(ref)
    world.wiring.put(external_secret("reports/second", extract=PATH.path, target={"name": "database"}))
    tick(world, 3700)
    tick(world, 1000)
    assert failures(world) == [("revoke", "no-evidence", False)]
    assert system_of(world).lets_in("app_a", FIRST)


def test_a_call_that_came_late_does_not_revive_the_old_credential() -> None:
    world = rotating("dual")
    ask(world)
    world.settle()
    done = record(world)
    system_of(world).open_account("app", FIRST)  # what a stalled apply with `keep` does
    world.say(PhaseRequested(path=PATH, rotation=done.id, step="revoke", expires=expiry(world.ports), reason="late"))
    world.settle()
    finished(world)


# --- told once, and by somebody --------------------------------------------------------------------------------------


def hints(world: World) -> list[Delivery]:
    """What tells revoke that consumers moved."""
    return [one for one in world.queue if isinstance(one.received.event, SecretMaterialized) and one.step is REVOKE]


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_whoever_loses_a_race_tells_nothing() -> None:
    world = rotating("alternating")
    ask(world, "leak")
    while not hints(world):
        world.deliver(world.queue.popleft())
    first, second = hints(world)
    raced: list[str] = []

    def race(operation: str, _account: str) -> None:
        if operation == "revoke" and not raced:
            raced.append(operation)
            world.queue.remove(second)
            world.deliver(second)
            assert record(world).phase == "completed"

    system_of(world).before = race
    world.queue.remove(first)
    world.deliver(first)
    world.settle()
    assert raced
    assert (len(world.events(RotationRevoked)), len(world.events(RotationCompleted))) == (1, 1)
    finished(world)


@pytest.mark.orderly("counts what is said, or delivers in order")
@pytest.mark.parametrize("policy", ["planned", "leak"])
def test_an_end_is_told_once(policy: str) -> None:
    world = rotating("alternating")
    ask(world, policy)
    world.settle()
    assert (len(world.events(RotationRevoked)), len(world.events(RotationCompleted))) == (1, 1)
    finished(world)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_whoever_ended_it_and_died_tells_it_when_it_comes_again() -> None:
    world = rotating("alternating")
    ask(world, "leak")
    while not hints(world):
        world.deliver(world.queue.popleft())
    first, _ = hints(world)
    assert [type(one) for one in first.step.handle(first.received.event, world.ports)] == [
        RotationRevoked, RotationCompleted,
    ]  # fmt: skip
    world.queue.clear()  # died before it could answer; the other one is over
    world.clock.advance(6)
    world.say(first.received.event)
    world.settle()
    assert len(world.events(RotationCompleted)) == 1
    assert record(world).told


# --- what is left for later, and what nobody stored ------------------------------------------------------------------


@pytest.mark.parametrize("asked", [1, 2])
def test_what_a_target_leaves_for_later_is_ended_when_its_time_has_come(asked: int) -> None:
    world = rotating("minted")
    revoked: list[tuple[bytes, bool]] = []
    revoke_at_once = system_of(world).revoke

    def revoke_later(
        credential: Credential, *, successor: Credential | None = None, before: Before = nothing
    ) -> datetime | None:
        revoke_at_once(credential, successor=successor, before=before)
        revoked.append((credential.fields["key"].reveal(), successor is not None))
        return world.clock.now() + timedelta(hours=1) if len(revoked) <= asked else None

    system_of(world).revoke = revoke_later  # type: ignore[method-assign]
    ask(world)
    world.settle()
    done = record(world)
    old = done.old
    assert old is not None
    assert (done.phase, done.orphans) == ("completed", (old,))
    world.clock.advance(1800)
    world.say(PhaseRequested(path=PATH, rotation=done.id, step="revoke", expires=expiry(world.ports), reason="early"))
    world.settle()
    assert len(revoked) == 1
    for _ in range(asked):
        tick(world, 3700)
    assert revoked == [(b"key-0", True), *[(b"key-0", False)] * asked]
    assert (record(world).orphans, record(world).due) == ((), None)
    assert world.dead == []


@pytest.mark.parametrize("ends", ["completed", "aborted"])
def test_what_was_made_and_stored_by_nobody_is_discarded_at_the_end(ends: str) -> None:
    world = rotating("minted")
    ask(world)
    until(world, "applied")
    account = system_of(world).accounts["app"]
    account.accepted.append(("key-lost", SecretValue(b"nobody-stored-it")))
    account.marks["key-lost"] = record(world).id
    if ends == "aborted":
        abort(world)
        until(world, "aborting")  # an order that comes after the promotion gives nothing up
    world.settle()
    assert record(world).phase == ends
    assert b"nobody-stored-it" not in system_of(world).accepted("app")
    assert login(world, live(world))


# --- what leaked ends as soon as its consumers have moved -------------------------------------------------------------


def promoted_after(world: World, *others: str) -> None:
    """Tell `revoke` of the promotion of what leaked, after these other steps did what they have to; nothing else."""
    ask(world, "leak")
    until(world, "promoted")
    for step in (*others, "revoke"):
        for one in [one for one in world.queue if one.step.name == step]:
            if step != "revoke" or isinstance(one.received.event, RotationPromoted):
                world.queue.remove(one)
                world.deliver(one)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_who_is_told_of_the_promotion_ends_what_leaked_where_consumers_moved_meanwhile() -> None:
    world = rotating("alternating")
    promoted_after(world, "materialize")
    assert record(world).phase == "completed"
    assert world.reminders.entries == set()
    world.settle()
    finished(world)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_who_is_told_of_the_promotion_before_consumers_moved_leaves_the_target_alone() -> None:
    world = rotating("alternating")
    promoted_after(world)
    assert ("revoke", "app_a", "") not in system_of(world).changes
    assert system_of(world).lets_in("app_a", FIRST)
    assert (record(world).phase, record(world).due is not None) == ("promoted", True)
    world.settle()
    finished(world)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_target_that_is_down_when_what_leaked_could_end_is_tried_again() -> None:
    world = rotating("alternating")
    system_of(world).after = lambda operation, _: setattr(system_of(world), "down", operation == "accepts")
    promoted_after(world, "materialize")
    assert record(world).trouble is not None
    system_of(world).after = lambda *_: None
    system_of(world).down = False
    world.settle()
    finished(world)


@pytest.mark.orderly("it delivers in order, and one delivery twice")
@pytest.mark.parametrize("policy", ["planned", "leak"])
def test_whose_answer_was_lost_says_the_end_again_when_it_comes_again_at_once(policy: str) -> None:
    world = rotating("alternating")
    ask(world, policy)
    until(world, "promoted")
    ender = world.queue.popleft()
    world.deliver(ender)
    while record(world).phase != "completed":
        ender = world.queue.popleft()
        world.deliver(ender)
    told = (RotationRevoked, RotationCompleted)
    lost = [one for one in world.queue if isinstance(one.received.event, told)]
    assert lost
    for one in lost:  # with the answer that would have said them
        world.queue.remove(one)
    said = len(world.said)
    others = [one for one in world.queue if isinstance(one.received.event, SecretMaterialized | RotationPromoted)]
    for one in others:  # who is told at the same moment leaves it to that one
        world.queue.remove(one)
        if one.received.event != ender.received.event:
            world.deliver(one)
    assert not any(isinstance(one, told) for one in world.said[said:])
    world.deliver(ender)
    assert [type(one) for one in world.said[said:] if isinstance(one, told)] == list(told)
    world.settle()
    finished(world)
