"""renew: a lease is kept alive as long as it can be, replaced in time, and ended when nobody needs it."""

from dataclasses import replace

import pytest

from events.lease import LeaseExpired, LeaseExpiring, LeaseRenewed, LeaseRevoked
from events.orders import RetractRequested
from events.references import ManifestRef
from events.rotated import RotationApplied, RotationPromoted
from events.secret import SecretRetracted
from functions import STEPS
from functions._failures import Denied
from functions._leases import held_leases
from functions._marks import CONSUMERS
from functions._orders import expiry
from functions._rotation_naming import rotation_id
from functions._rotations import Phase
from tests import chaos
from tests.fakes.world import external_secret
from tests.functions.fuses import Fuse
from tests.functions.leased import HOUR, PATH, LeasedWorld, held, leased, rotation, until_due
from tests.functions.rotating import ask, rotating
from tests.functions.test_survival import run_to_the_end

ROTATION = rotation().ref
CONSUMER = ManifestRef(kind="ExternalSecret", namespace="orders", name="database")


def swept(world: LeasedWorld) -> LeasedWorld:
    world.tick()
    world.settle()
    return world


def outcomes(world: LeasedWorld) -> list[str]:
    said: list[str] = [event.outcome for event in world.events(SecretRetracted) if isinstance(event, SecretRetracted)]
    return list(dict.fromkeys(said)) if chaos.seed() is not None else said


# --- keeping alive ----------------------------------------------------------------------------------------------------


def test_a_young_lease_is_left_alone() -> None:
    world, _ = leased()
    swept(world)
    assert world.events(LeaseExpiring) == []
    assert world.leases.count("renew") == 0


def test_the_sweep_finds_it_when_a_third_is_left_and_it_is_renewed() -> None:
    world, lease = leased()
    until_due(world, lease)
    left = world.left(lease)
    assert left is not None
    assert HOUR / 3 - 2 < left < HOUR * (1 / 3 + 0.1)
    swept(world)
    assert isinstance(world.only(LeaseExpiring), LeaseExpiring)
    assert isinstance(world.only(LeaseRenewed), LeaseRenewed)
    assert world.left(lease) == HOUR
    assert world.replacements() == []
    swept(world)
    assert world.leases.count("renew") == 1


def test_a_database_that_is_down_is_no_end_of_the_lease() -> None:
    world, lease = leased()
    world.leases.down = True
    until_due(world, lease)
    swept(world)
    world.minutes(3)
    assert world.dead == []
    assert (world.events(LeaseExpired), world.replacements()) == ([], [])
    world.leases.down = False
    world.minutes(1)
    assert isinstance(world.only(LeaseRenewed), LeaseRenewed)


def test_leases_issued_together_are_not_renewed_together() -> None:
    world = LeasedWorld()
    found = [world.leases.known(world.leases.issue("orders", HOUR, HOUR)) for _ in range(20)]
    assert len({lease.due for lease in found if lease}) == 20


@pytest.mark.parametrize("promoted", [False, True])
def test_a_lease_shorter_than_a_round_of_the_sweep_lives_by_reminders(promoted: bool) -> None:
    world, lease = leased(ttl=300, longest=4 * HOUR)
    record = world.rotations.known(PATH)
    assert record is not None
    assert record.promoted is not None
    applied = RotationApplied(path=PATH, rotation=record.id, manifest=ROTATION, policy="planned")
    world.say(RotationPromoted(**applied.model_dump(), version=record.promoted) if promoted else applied)
    world.settle()
    world.minutes(120)
    assert 90 <= (world.left(lease) or 0) <= 300
    assert world.leases.count("renew") >= 30
    assert world.replacements() == []
    assert len(world.reminders.entries) == 1


def test_leases_that_die_at_once_are_replaced_once_a_minute_at_most() -> None:
    """A rotation that brought a dead lease orders none by itself."""
    world, lease = leased()
    world.leases.revoke(lease)
    record = world.rotations.known(PATH)
    assert record is not None
    for _ in range(5):
        world.say(RotationApplied(path=PATH, rotation=record.id, manifest=ROTATION, policy="planned"))
        world.settle()
    assert world.replacements() == []
    world.minutes(2)
    assert 1 <= len(world.replacements()) <= 2


def test_two_ways_to_look_after_it_become_one() -> None:
    world, lease = leased()
    until_due(world, lease)
    swept(world)
    for _ in range(3):
        world.say(LeaseExpiring(path=PATH, lease=lease, expires=world.clock.now()))
        world.settle()
    assert len(world.reminders.entries) == 1
    world.minutes(60)
    assert len(world.reminders.entries) == 1


def test_both_leases_of_a_rotation_under_way_are_kept() -> None:
    world, lease = leased()
    newer = world.leases.issue("orders", HOUR, 24 * HOUR)
    held(world, newer, phase="applied", old=lease)
    until_due(world, lease)
    world.clock.advance(HOUR / 10)
    swept(world)
    assert world.left(lease) == world.left(newer) == HOUR


@pytest.mark.parametrize(("phase", "kept"), [("failed", "old"), ("aborted", "old"), ("completed", "new")])
def test_what_a_rotation_took_back_or_revoked_is_not_kept(phase: Phase, kept: str) -> None:
    world, lease = leased()
    newer = world.leases.issue("orders", HOUR, HOUR)
    record = held(world, newer, phase=phase, old=lease)
    assert [holder.id for holder in held_leases(record)] == [{"old": lease, "new": newer}[kept]]


def test_credentials_that_are_no_leases_are_nobodys_concern() -> None:
    world, _ = leased()
    held(world, "AKIAIOSFODNN7EXAMPLE", old="")
    swept(world)
    assert world.leases.calls == []


# --- replacing --------------------------------------------------------------------------------------------------------


def test_one_that_meets_its_longest_life_is_replaced_while_it_lives() -> None:
    world, lease = leased(longest=2 * HOUR)
    while not world.replacements():
        until_due(world, lease)
        swept(world)
    order, *_ = world.replacements()
    record = world.rotations.known(PATH)
    assert record is not None
    assert (order.policy, order.by, order.base, order.attempt) == ("planned", "lease", record.promoted, 1)
    assert any(isinstance(event, LeaseRenewed) and event.capped for event in world.events(LeaseRenewed))
    assert (world.left(lease) or 0) >= HOUR / 3 - 2
    world.minutes(3)
    assert (world.left(lease) or 0) > 0


def test_one_that_cannot_be_renewed_is_replaced_while_it_lives() -> None:
    world, lease = leased(renewable=False)
    until_due(world, lease)
    swept(world)
    expired = world.only(LeaseExpired)
    assert isinstance(expired, LeaseExpired)
    assert expired.reason == "fixed"
    assert world.replacements()
    assert world.leases.count("renew") == 0
    assert (world.left(lease) or 0) > 0


def test_one_that_ended_is_replaced() -> None:
    world, _ = leased()
    world.clock.advance(2 * HOUR)
    swept(world)
    expired = world.only(LeaseExpired)
    assert isinstance(expired, LeaseExpired)
    assert expired.reason == "gone"
    assert world.replacements()


def test_one_that_could_not_be_revoked_is_named_and_replaced() -> None:
    world, lease = leased()
    world.leases.stick(lease)
    world.clock.advance(2 * HOUR)
    swept(world)
    expired = world.only(LeaseExpired)
    assert isinstance(expired, LeaseExpired)
    assert expired.reason == "irrevocable"
    assert "by hand" in expired.explanation
    assert world.replacements()


def test_a_replacement_that_failed_is_another_attempt() -> None:
    world, lease = leased(renewable=False)
    until_due(world, lease)
    record = world.rotations.known(PATH)
    assert record is not None
    failed_id = rotation_id(PATH, record.promoted, 1)
    newer = replace(record, id=failed_id, base=record.promoted, phase="failed", old=record.new, new=None)
    world.rotations.write(newer)
    swept(world)
    assert {order.attempt for order in world.replacements()} == {2}


def test_the_old_lease_of_a_rotation_under_way_orders_nothing() -> None:
    world, lease = leased(renewable=False)
    newer = world.leases.issue("orders", HOUR, 24 * HOUR)
    held(world, newer, phase="promoted", old=lease)
    world.clock.advance(2 * HOUR / 3 + 60)
    swept(world)
    assert world.replacements() == []


def test_nobody_orders_a_new_one_for_nobody() -> None:
    world, _ = leased(renewable=False)
    world.wiring.remove(CONSUMER)
    world.clock.advance(2 * HOUR)
    swept(world)
    assert world.replacements() == world.events(LeaseExpired) == []


# --- ending -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [ROTATION, CONSUMER])
def test_what_nobody_asks_for_is_revoked_after_the_grace(gone: ManifestRef) -> None:
    world, lease = leased(ttl=4 * HOUR)
    world.wiring.put(external_secret("other/database", {"a": "other/path#a"}))
    world.wiring.remove(gone)
    swept(world)
    swept(world)
    assert outcomes(world) == ["noticed"]
    assert world.left(lease) is not None
    world.clock.advance(world.settings.retraction_grace)
    swept(world)
    assert world.left(lease) is None
    assert outcomes(world) == ["noticed", "retracted"]
    assert isinstance(world.only(LeaseRevoked), LeaseRevoked)
    assert world.tombstones.list() == ()
    swept(world)
    assert outcomes(world) == ["noticed", "retracted"]
    assert world.replacements() == []


def test_it_is_kept_alive_during_the_grace() -> None:
    world, lease = leased(ttl=HOUR / 2)
    world.wiring.remove(CONSUMER)
    swept(world)
    until_due(world, lease)
    swept(world)
    assert world.left(lease) == HOUR / 2


def test_a_consumer_that_comes_back_withdraws_it() -> None:
    world, lease = leased(ttl=4 * HOUR)
    world.wiring.remove(CONSUMER)
    swept(world)
    world.wiring.put(external_secret("orders/database", {"password": f"{PATH.path}#password"}))
    swept(world)
    assert outcomes(world) == ["noticed", "withdrawn"]
    assert world.left(lease) is not None


def test_a_consumer_that_came_back_between_the_order_and_its_delivery() -> None:
    world, lease = leased(ttl=4 * HOUR)
    world.wiring.put(external_secret("other/database", {"a": "other/path#a"}))
    world.wiring.remove(CONSUMER)
    swept(world)
    (tombstone,) = world.tombstones.list()
    world.clock.advance(world.settings.retraction_grace)
    world.wiring.put(external_secret("orders/database", {"password": f"{PATH.path}#password"}))
    world.say(RetractRequested(target=PATH, tombstone=tombstone.id, expires=expiry(world.ports), reason="due"))
    world.settle()
    assert outcomes(world) == ["noticed", "withdrawn"]
    assert world.left(lease) is not None


@pytest.mark.parametrize("held_by", ["wiring", "suspension", "limit", "emptiness"])
def test_what_holds_retractions_back_holds_this_back(held_by: str) -> None:
    world, lease = leased(ttl=4 * HOUR)
    world.wiring.put(external_secret("other/database", {"a": "other/path#a"}))
    world.wiring.remove(CONSUMER)
    swept(world)
    world.clock.advance(world.settings.retraction_grace)
    if held_by == "wiring":
        world.wiring.whole = False
    elif held_by == "suspension":
        world.suspensions.subjects[PATH.subject] = "an incident"
    elif held_by == "limit":
        for number in range(world.settings.retraction_limit):
            (tombstone,) = (one for one in world.tombstones.list() if one.policy == "revoke-lease" and one.owner)
            world.tombstones.seed(replace(tombstone, id=f"{number:032x}", policy="revoke-lease", owner=""))
    else:
        world.wiring.externals.clear()
    swept(world)
    assert world.left(lease) is not None
    assert set(outcomes(world)) - {"noticed"} <= {"held"}


def test_an_unlistable_wiring_notices_nothing() -> None:
    world, _ = leased()
    world.wiring.remove(ROTATION)
    world.wiring.whole = False
    swept(world)
    assert outcomes(world) == []


def test_consumers_that_are_in_no_manifest() -> None:
    world, _ = leased()
    world.wiring.remove(CONSUMER)
    world.wiring.put(rotation({CONSUMERS: "elsewhere"}))
    swept(world)
    assert outcomes(world) == []


def test_a_revocation_that_fails_is_held_and_tried_again_by_the_next_round() -> None:
    world, lease = leased(ttl=4 * HOUR)
    world.wiring.put(external_secret("other/database", {"a": "other/path#a"}))
    world.wiring.remove(ROTATION)
    swept(world)
    world.leases.stick(lease)
    world.clock.advance(world.settings.retraction_grace)
    swept(world)
    assert set(outcomes(world)) == {"noticed", "held"}
    assert world.dead == []
    assert len(world.tombstones.list()) == 1


@pytest.mark.parametrize("wired", [True, False])
def test_a_lease_that_nobody_may_look_up_holds_up_no_sweep(wired: bool) -> None:
    """Policies cover what is wired: a record that a removed Rotation left is covered by none, and nobody's matter.

    Where somebody asks for it, its own event ends as a dead letter, which says what is to be granted.
    """
    world, lease = leased(ttl=4 * HOUR)
    if not wired:
        world.unwire(rotation().ref)
        world.settle()

    def deny(operation: str, subject: str) -> None:
        if operation == "read" and subject == lease:
            raise Denied("authority", "permission denied on sys/leases/lookup")

    world.leases.before = deny
    swept(world)
    stuck = {(delivery.step.name, type(delivery.received.event)) for delivery, _ in world.dead}
    assert stuck == ({("renew", LeaseExpiring)} if wired else set())
    assert world.left(lease) is not None


# --- surviving --------------------------------------------------------------------------------------------------------


def capped(world: LeasedWorld, lease: str) -> None:
    until_due(world, lease)
    world.tick()


def abandoned(world: LeasedWorld, lease: str) -> None:
    world.wiring.put(external_secret("other/database", {"a": "other/path#a"}))
    world.wiring.remove(ROTATION)
    world.tick()
    run_to_the_end(world)
    world.clock.advance(world.settings.retraction_grace)
    world.tick()


@pytest.mark.parametrize("scenario", [capped, abandoned])
def test_killed_at_every_call(scenario: object) -> None:
    def play(fuse: Fuse) -> tuple[LeasedWorld, str]:
        world, lease = leased(ttl=HOUR, longest=HOUR + 60)
        fuse.install(world)
        assert callable(scenario)
        scenario(world, lease)
        run_to_the_end(world)
        return world, lease

    counting = Fuse()
    play(counting)
    assert counting.count > 5
    for at in range(1, counting.count + 1):
        for after in (False, True):
            world, lease = play(Fuse(at=at, after=after))
            Fuse().install(world)
            world.minutes(10)
            swept(world)
            where = f"killed {'after' if after else 'before'} call {at}"
            assert world.dead == [], where
            if scenario is capped:
                assert (world.left(lease) or 0) > 0, where
                world.minutes(10)
                assert world.replacements(), where
                assert (world.left(lease) or 0) >= 0, where
            else:
                assert world.left(lease) is None, where
                assert world.tombstones.list() == (), where
                assert "retracted" in [one.outcome for one in world.events(SecretRetracted)], where  # type: ignore[attr-defined]


def test_where_no_provider_makes_credentials_no_record_is_read_for_their_leases() -> None:
    for strategy, reads in (("alternating", 0), ("minted", 2)):
        world = rotating(strategy)
        renewing = next(step for step in STEPS if step.name == "renew")
        ask(world)
        world.settle()
        before = world.rotations.count("read")
        for event in (world.only(RotationApplied), world.only(RotationPromoted)):
            assert tuple(renewing.handle(event, world.ports)) == ()
        assert world.rotations.count("read") - before == reads, strategy
