"""A leak is contained when what leaked is refused, every consumer has moved and no lease of it lives; nothing less."""

from dataclasses import replace

import pytest

from events.consumer import WorkloadRef
from events.leak import LeakConfirmed, LeakContained
from events.references import Version
from events.rotated import RotationRevoked
from events.secret import SecretConflicted, SecretPublished
from functions import _revoked
from functions._revoked import MOST, with_revoked
from functions._rotations import Holder
from functions._workloads import Rollout
from tests.fakes.world import secret
from tests.functions.leaking import (
    CONSUMER,
    NEW,
    OLD,
    ORDERS,
    PRODUCED,
    LeakWorld,
    carries,
    fingerprint,
    indexed,
    leaking,
    order,
    record,
    report,
    rotated,
    rotating,
    told,
    unsettled,
    version,
)

LEAKED = b"a-producers-own-password-1"


def tick(world: LeakWorld) -> None:
    world.clock.advance(130)
    world.tick("rotations")
    world.settle()


def test_a_rotation_that_completed_and_consumers_that_moved_contain_it() -> None:
    world = leaking()
    carries(world, version(world))
    leak = report(world, path=ORDERS)
    assert "rotat" in record(world, leak).missing[0] or "refused" in record(world, leak).missing[0]
    base = version(world)
    rotating(world, "promoted", base)
    tick(world)
    assert any("is promoted" in one for one in record(world, leak).missing)
    rotated(world)
    assert record(world, leak).missing == (f"{CONSUMER}: it carries version 1 of {ORDERS}",)
    carries(world, version(world))
    tick(world)
    found = record(world, leak)
    assert (found.state, found.missing, found.due) == ("contained", (), None)
    (fact,) = told(world, LeakContained)
    assert (fact.paths, fact.proof, fact.contained) == ((ORDERS,), "refused", found.contained)
    assert world.leaks.of_path(ORDERS) == ()
    assert world.reminders.entries == set()


def test_what_was_revoked_before_it_was_reported_is_contained_at_once() -> None:
    world = indexed(leaking())
    rotated(world)
    carries(world, version(world))
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert record(world, leak).state == "contained"
    assert len(told(world, LeakContained)) == 1


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_it_is_told_once_however_often_the_revocation_is() -> None:
    world = leaking()
    report(world, path=ORDERS)
    rotated(world)
    with unsettled(world):
        carries(world, version(world))
        rotated(world)  # both of its facts, at the same moment
    world.settle()
    assert len(told(world, LeakContained)) == 1


def test_a_resolved_alert_contains_nothing() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    report(world, path=ORDERS, status="resolved")
    for _ in range(5):
        tick(world)
    assert record(world, leak).state == "confirmed"
    assert told(world, LeakContained) == []


def test_a_workload_that_runs_the_old_version_holds_it_open() -> None:
    world = leaking()
    base = version(world)
    leak = report(world, path=ORDERS)
    app = WorkloadRef(kind="Deployment", namespace="orders", name="app")
    rollout = Rollout(
        workload=app, uid="u", digest="0" * 32, marks={}, stamps={CONSUMER.name: {str(ORDERS): base}},
        state="rolling", began=world.clock.now(),
    )  # fmt: skip
    written = world.rollouts.write(rollout)
    rotated(world)
    carries(world, version(world))
    tick(world)
    assert [one.split(":")[0] for one in record(world, leak).missing] == ["Deployment orders/app"]
    stamps = {CONSUMER.name: {str(ORDERS): version(world)}}
    world.rollouts.write(replace(written, state="adopted", stamps=stamps))
    tick(world)
    assert record(world, leak).state == "contained"


def test_a_consumer_that_we_do_not_write_is_named_as_missing_evidence() -> None:
    world = leaking()
    (consumer,) = world.wiring.consumers_of_path(ORDERS)
    spec = consumer.spec.model_copy(
        update={"target": consumer.spec.target.model_copy(update={"creation_policy": "None"})}
    )
    world.wiring.put(consumer.model_copy(update={"spec": spec}))
    leak = report(world, path=ORDERS)
    rotated(world)
    tick(world)
    assert ["cannot see" in one for one in record(world, leak).missing] == [True]


def test_a_lease_that_lives_holds_it_open() -> None:
    world = leaking()
    base = version(world)
    carries(world, base)
    leak = report(world, path=ORDERS)
    rotated(world)  # its consumer has not moved yet
    carries(world, version(world))
    known = world.rotations.read(ORDERS)
    assert known is not None
    lease = world.leases.issue("orders", 3600.0, 7200.0)
    world.rotations.write(replace(known, old=Holder("orders", id=lease), base=base))
    tick(world)
    assert any("lease" in one for one in record(world, leak).missing)
    world.leases.revoke(lease)
    tick(world)
    assert record(world, leak).state == "contained"


def test_what_only_its_owner_can_replace_waits_until_somebody_vouches_for_it() -> None:
    world = leaking()
    source = secret("orders/cache")
    world.source(source, {"password": LEAKED})
    world.settle()
    leak = report(world, path=PRODUCED)
    assert ["attest" in one for one in record(world, leak).missing] == [True]
    world.source(source, {"password": NEW.encode()})
    world.settle()
    tick(world)
    assert record(world, leak).state == "confirmed"
    order(world, leak, "attest")
    assert record(world, leak).state == "contained"
    assert told(world, LeakContained)[0].proof == "attested"
    # and it never comes back: somebody restores the old source
    published = len(world.events(SecretPublished))
    world.source(source, {"password": LEAKED})
    world.settle()
    assert world.path(PRODUCED) == {"password": NEW.encode()}
    (fact,) = told(world, SecretConflicted)
    assert fact.outcome == "revoked-value"
    assert "never published again" in fact.explanation
    assert len(world.events(SecretPublished)) == published
    world.source(source, {"password": b"yet-another-password-3"})
    world.settle()
    assert world.path(PRODUCED) == {"password": b"yet-another-password-3"}


def test_what_was_revoked_stays_known_when_the_key_of_its_fingerprint_gets_new_versions() -> None:
    world = leaking()
    source = secret("orders/cache")
    world.source(source, {"password": LEAKED})
    world.settle()
    leak = report(world, path=PRODUCED)
    world.source(source, {"password": NEW.encode()})
    world.settle()
    order(world, leak, "attest")
    world.fingerprints.version = 2
    world.source(source, {"password": LEAKED})
    world.settle()
    assert [fact.outcome for fact in told(world, SecretConflicted)] == ["revoked-value"]
    assert world.path(PRODUCED) == {"password": NEW.encode()}


def test_publishing_asks_for_fingerprints_only_where_something_was_revoked() -> None:
    world = leaking()
    world.fingerprints.calls.clear()
    for value in (OLD, NEW):
        world.source(secret("orders/cache"), {"password": value.encode()})
        world.settle()
    assert world.fingerprints.calls == []


def test_a_planned_rotation_remembers_what_it_revoked_too() -> None:
    world = leaking()
    rotated(world)
    claim = world.claims.read(ORDERS)
    assert claim is not None
    assert claim.revoked == (world.fingerprints.one("revoked", OLD.encode()),)  # and not the user name, which stayed


def test_what_consumers_are_given_is_not_remembered_as_revoked_when_somebody_writes_over_it() -> None:
    world = leaking()
    key = {"signing-key": "a-key-that-stays-4711"}
    world.authority.foreign_write(ORDERS, {"password": OLD, **key})
    rotated(world, beside=key, over={"password": NEW, "signing-key": "a-foreign-key-0815"})
    claim = world.claims.read(ORDERS)
    assert claim is not None
    assert claim.revoked == (world.fingerprints.one("revoked", OLD.encode()),)  # and not the key in use


def test_a_leak_that_nobody_knows_is_no_defect() -> None:
    world = leaking()
    report(world, path=ORDERS)
    (fact,) = told(world, LeakConfirmed)
    world.say(fact.model_copy(update={"leak": "f" * 32}))
    world.settle()
    assert world.dead == []


# --- nothing that was revoked is forgotten ---------------------------------------------------------------------------


def test_what_was_deleted_at_the_authority_before_it_was_contained_is_known_by_the_index() -> None:
    world = indexed(leaking())
    leak = report(world, path=ORDERS)
    base = version(world)
    assert world.claims.read(ORDERS) is None
    rotated_without(world, base)
    carries(world, version(world))
    tick(world)
    found = record(world, leak)
    assert (found.state, found.missing) == ("contained", ())
    assert [line.detail for line in found.timeline if line.what == "contained"] == [""]
    claim = world.claims.read(ORDERS)
    assert claim is not None
    assert claim.revoked == (world.fingerprints.one("revoked", OLD.encode()),)  # and not the user name, which stayed
    assert world.dead == []


@pytest.mark.orderly("the leak's timeline or a dead letter names it, whichever of two facts comes first")
def test_what_nobody_fingerprinted_before_it_was_deleted_is_named() -> None:
    world = leaking()
    world.index.rounded(world.clock.now())
    leak = report(world, path=ORDERS)
    base = version(world)
    rotated_without(world, base)
    carries(world, version(world))
    tick(world)
    found = record(world, leak)
    assert found.state == "contained"  # by proofs: what it held is refused, wherever it was accepted
    assert ["version 1" in line.detail for line in found.timeline if line.what == "contained"] == [True]
    # Of a planned rotation there is no finding to say it: operators are told once.
    fact = world.events(RotationRevoked)[0]
    assert ["before its values were fingerprinted" in reason for _, reason in world.dead] == [True]
    for _ in range(3):
        world.say(fact)
        world.settle()
    assert len(world.dead) == 1


def rotated_without(world: LeakWorld, base: Version) -> None:
    """As `rotated`, with the former version deleted before anybody hears of it."""
    with unsettled(world):
        rotated(world)
        world.authority.delete(ORDERS, (base.number,))
    world.settle()


def test_what_stays_in_use_is_not_remembered_by_the_index_neither() -> None:
    world = leaking()
    key = {"signing-key": "a-key-that-stays-4711"}
    world.authority.foreign_write(ORDERS, {"password": OLD, **key})
    indexed(world)
    base = version(world)
    with unsettled(world):
        rotated(world, beside=key)
        world.authority.delete(ORDERS, (base.number,))
        world.fingerprints.version = 2
    world.settle()
    claim = world.claims.read(ORDERS)
    assert claim is not None
    assert claim.revoked == (world.fingerprints.one("revoked", OLD.encode(), 1),)


def test_however_many_values_were_revoked_none_is_published_again() -> None:
    world = leaking()
    source = secret("orders/cache")
    world.source(source, {"password": LEAKED})
    world.settle()
    claim = world.claims.read(PRODUCED)
    assert claim is not None
    values = [f"revoked-value-number-{number}" for number in range(3 * MOST)]
    for value in values:
        claim = with_revoked(claim, [world.fingerprints.one("revoked", value.encode())], world.ports)
        claim = world.claims.update(claim)
    assert len(claim.revoked) <= MOST
    assert claim.pages == 1
    world.fingerprints.version = 2  # older ones are by the former version of the key
    for value in (values[0], values[MOST], values[-1]):
        before = len(world.events(SecretConflicted))
        world.source(source, {"password": value.encode()})
        world.settle()
        assert world.path(PRODUCED) == {"password": LEAKED}
        assert len(world.events(SecretConflicted)) > before
    assert {fact.outcome for fact in told(world, SecretConflicted)} == {"revoked-value"}


def test_pages_follow_each_other_and_survive_a_kill_between_page_and_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_revoked, "PAGE", 3 * MOST // 2)
    world = leaking()
    world.source(secret("orders/cache"), {"password": LEAKED})
    world.settle()
    claim = world.claims.read(PRODUCED)
    assert claim is not None
    prints = [world.fingerprints.one("revoked", f"{number}".encode()) for number in range(5 * MOST)]
    for number, one in enumerate(prints):
        wanted = with_revoked(claim, [one], world.ports)
        if number % 7:
            wanted = with_revoked(claim, [one], world.ports)  # the first died before the claim was written
        claim = world.claims.update(wanted)
    assert claim.pages > 2
    pages = [world.claims.revoked(PRODUCED, page) for page in range(1, claim.pages + 1)]
    assert {one for page in pages for one in page} | set(claim.revoked) == set(prints)
    assert max(map(len, pages)) <= 3 * MOST // 2
    assert with_revoked(claim, prints, world.ports) == claim


@pytest.mark.parametrize("by", ["path", "fingerprint"])
def test_a_path_that_is_gone_with_its_metadata_is_answered_from_what_the_index_knows(by: str) -> None:
    world = indexed(leaking())
    carries(world, version(world))
    world.authority.delete_metadata(ORDERS)
    leak = report(world, **({"path": ORDERS} if by == "path" else {"fingerprint": fingerprint(world, OLD)}))
    found = record(world, leak)
    assert (found.state, [one.standing for one in found.exposures]) == ("confirmed", ["owner"])
    assert found.missing == (
        f"{ORDERS}: nothing shows that version 1 is refused; have it refused, then `lockstep leak attest`",
        f"{CONSUMER}: it carries version 1 of {ORDERS}",
    )
    order(world, leak, "attest")
    world.secrets.remove(CONSUMER)
    tick(world)
    assert record(world, leak).state == "contained"
    assert world.dead == []
