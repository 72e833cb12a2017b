"""What becomes of a report: mapped, held, dismissed or answered, within limits, the same however often it is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from events.leak import IndexRequested, LeakConfirmed, LeakDismissed, LeakHeld
from events.rotation import RotationRequested
from functions._leak_standing import stands
from functions._leaks import Trust
from tests.fakes.world import push_secret
from tests.functions.leaking import (
    CONFIG,
    CONSUMER,
    NEW,
    OLD,
    ORDERS,
    PRODUCED,
    PROMETHEUS,
    TWIN,
    LeakWorld,
    carries,
    fingerprint,
    indexed,
    leaking,
    order,
    record,
    report,
    requested,
    rotated,
    rotating,
    rotation,
    told,
    unindexed,
    version,
)


def test_a_path_is_confirmed_and_rotated_at_once() -> None:
    world = leaking()
    leak = report(world, path=ORDERS, key="password")
    assert requested(world) == {str(ORDERS): ("leak", version(world))}
    found = record(world, leak)
    assert (found.state, found.match, found.decided_by) == ("confirmed", "path", "triage")
    assert found.consumers == (str(CONSUMER),)
    assert [one.standing for one in found.exposures] == ["rotating"]
    assert world.leaks.of_path(ORDERS) == (leak,)
    assert [one.what for one in found.timeline] == ["reported", "confirmed"]


def test_nobody_lends_what_they_may_set_going_to_a_report_of_something_else() -> None:
    """Senders choose ids: one who may little takes the id of a finding that one who may more is about to report."""
    world = leaking()
    leak = report(world, path=ORDERS, reporter="token:stranger")
    assert record(world, leak).held == "needs-confirmation"
    report(world, path=PRODUCED, key="password")  # prometheus, of the same id
    assert requested(world) == {}
    assert record(world, leak).reporters == ("token:stranger",)
    assert ["something else" in reason for _, reason in world.dead] == [True]  # seen by operators, and not lost
    report(world, path=ORDERS)
    assert set(requested(world)) == {str(ORDERS)}


def test_a_fingerprint_is_found_by_a_round_of_the_index() -> None:
    world = leaking()
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert len(told(world, IndexRequested)) == 1
    assert record(world, leak).match == "fingerprint"
    assert requested(world) == {str(ORDERS): ("leak", version(world))}


def test_a_known_fingerprint_needs_no_round() -> None:
    world = indexed(leaking())
    report(world, fingerprint=fingerprint(world, OLD))
    assert told(world, IndexRequested) == []
    assert str(ORDERS) in requested(world)


def test_a_fingerprint_of_two_secrets_rotates_both_and_says_who_must_act_for_others() -> None:
    world = leaking()
    world.wiring.put(rotation("twin", TWIN))
    for path in (TWIN, PRODUCED, CONFIG):
        world.authority.foreign_write(path, {"password": OLD, "port": OLD})
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert requested(world).keys() == {str(ORDERS), str(TWIN)}
    standings = {str(one.path): one.standing for one in record(world, leak).exposures}
    assert standings == {str(ORDERS): "rotating", str(TWIN): "rotating", str(PRODUCED): "owner"}


def test_other_secrets_of_the_same_value_are_included_when_a_path_is_named() -> None:
    world = leaking()
    world.wiring.put(rotation("twin", TWIN))
    world.authority.foreign_write(TWIN, {"admin": OLD, "username": "orders-application"})
    indexed(world)
    report(world, path=ORDERS, key="password")
    assert requested(world).keys() == {str(ORDERS), str(TWIN)}


def test_guessable_values_and_configuration_match_nothing() -> None:
    world = leaking()
    world.authority.foreign_write(ORDERS, {"username": "orders-application", "password": "secret", "mode": "aaaaaaaa"})
    for value in ("orders-application", "secret", "aaaaaaaa"):
        leak = report(world, value, fingerprint=fingerprint(world, value))
        assert record(world, leak).dismissed == "unknown"
    assert requested(world) == {}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"path": TWIN}, "unknown"),  # no manifest names it
        ({"path": PRODUCED}, "unknown"),  # wired, and never written
        ({"path": ORDERS, "key": "username"}, "configuration"),
        ({"fingerprint": f"v1.{'ab' * 32}"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_what_leads_to_no_secret_is_dismissed_with_a_reason(members: dict[str, Any], reason: str) -> None:
    world = leaking()
    leak = report(world, **members)
    (fact,) = told(world, LeakDismissed)
    assert (fact.reason, fact.by) == (reason, "triage")
    assert record(world, leak).state == "dismissed"
    assert requested(world) == {}


def test_a_path_that_nothing_wires_is_never_asked_for_at_the_authority() -> None:
    world = leaking()
    world.authority.foreign_write(TWIN, {"password": OLD})
    world.authority.calls.clear()
    report(world, path=TWIN)
    assert world.authority.calls == []


def test_an_index_that_never_becomes_complete_holds_no_report_up_for_ever() -> None:
    world = leaking()
    world.index.endless = True
    leak = report(world, fingerprint=f"v1.{'ab' * 32}", path=ORDERS, key="password")
    assert record(world, leak).state == "reported"
    for _ in range(12):
        world.clock.advance(60)
        world.tick("rotations")
        world.settle()
    assert record(world, leak).match == "path"


# --- told again, by others, resolved ---------------------------------------------------------------------------------


def test_told_again_it_is_the_same_finding() -> None:
    world = leaking()
    leak = report(world, path=ORDERS, key="password")
    before = record(world, leak)
    for _ in range(3):
        assert report(world, path=ORDERS, key="password") == leak
    assert record(world, leak) == before
    assert len({fact.state for fact in told(world, LeakConfirmed)}) == 1
    (holder,) = world.budgets.read("leak").holders
    assert holder.partition(" ")[2] == f"{ORDERS.subject}@1"


def test_two_reporters_of_one_finding_are_one_leak() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    report(world, path=ORDERS, reporter="reporter:loki")
    assert record(world, leak).reporters == (PROMETHEUS, "reporter:loki")


def test_a_resolved_report_is_recorded_and_closes_nothing() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    report(world, path=ORDERS, status="resolved")
    found = record(world, leak)
    assert found.resolved is not None
    assert found.state == "confirmed"
    assert [one.what for one in found.timeline] == ["reported", "confirmed", "resolved"]


def test_a_leak_that_was_only_told_of_as_resolved_is_a_leak() -> None:
    world = leaking()
    report(world, path=ORDERS, status="resolved")
    assert str(ORDERS) in requested(world)


def test_what_was_unknown_is_looked_at_again_when_it_is_told_again() -> None:
    world = leaking()
    leak = report(world, path=TWIN)
    world.wiring.put(rotation("twin", TWIN))
    world.authority.foreign_write(TWIN, {"password": NEW})
    report(world, path=TWIN)
    assert record(world, leak).state == "confirmed"


# --- which version ---------------------------------------------------------------------------------------------------


def test_a_former_version_that_was_revoked_is_confirmed_and_nothing_is_rotated() -> None:
    world = indexed(leaking())
    rotated(world)
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert requested(world) == {}
    assert [one.standing for one in record(world, leak).exposures] == ["revoked"]


def test_a_former_version_that_works_still_makes_its_rotation_stricter() -> None:
    world = indexed(leaking())
    base = version(world)
    world.authority.foreign_write(ORDERS, {"username": "orders-application", "password": NEW})
    rotating(world, "promoted", base)
    report(world, fingerprint=fingerprint(world, OLD))
    assert requested(world) == {str(ORDERS): ("leak", base)}


def test_a_path_that_was_seen_before_its_newest_version_is_about_the_one_before() -> None:
    world = indexed(leaking())
    seen = world.clock.now()
    world.clock.advance(7200)
    rotated(world)
    leak = report(world, path=ORDERS, noticed=seen)
    assert [one.version.number for one in record(world, leak).exposures] == [1]
    assert requested(world) == {}


def test_a_version_can_be_named() -> None:
    world = indexed(leaking())
    rotated(world)
    first = report(world, "first", path=ORDERS, version=1)
    assert [one.standing for one in record(world, first).exposures] == ["revoked"]
    second = report(world, "second", path=ORDERS, version=2)
    assert [one.standing for one in record(world, second).exposures] == ["rotating"]
    assert record(world, report(world, "none", path=ORDERS, version=99)).dismissed == "unknown"


def test_a_rotation_that_failed_is_tried_again_as_another_attempt() -> None:
    world = leaking()
    rotating(world, "failed", version(world), attempt=2)
    report(world, path=ORDERS)
    (event,) = told(world, RotationRequested)
    assert event.attempt == 3


def test_what_a_producer_makes_is_its_owners_to_replace() -> None:
    world = leaking()
    world.authority.foreign_write(PRODUCED, {"password": NEW})
    leak = report(world, path=PRODUCED, key="password")
    (fact,) = told(world, LeakConfirmed)
    assert [one.standing for one in fact.exposures] == ["owner"]
    assert "its owner must make a new one" in fact.explanation
    assert record(world, leak).state == "confirmed"
    assert requested(world) == {}


# --- what may happen by itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trust", "by_fingerprint", "response", "held"),
    [
        ("report", True, "rotate", "needs-confirmation"),
        ("rotate", True, "rotate", ""),
        ("rotate", True, "revoke-first", "needs-confirmation"),
        ("revoke-first", False, "revoke-first", "needs-confirmation"),
        ("revoke-first", True, "revoke-first", ""),
    ],
)
def test_revoking_first_takes_consent_trust_and_a_fingerprint(
    trust: Trust, response: str, held: str, *, by_fingerprint: bool
) -> None:
    world = indexed(leaking(trust=trust, response=response))
    known = {"fingerprint": fingerprint(world, OLD)} if by_fingerprint else {"path": ORDERS, "key": "password"}
    leak = report(world, **known)
    assert record(world, leak).held == held
    assert bool(requested(world)) == (not held)
    assert [fact.reason for fact in told(world, LeakHeld)] == ([held] if held else [])
    if held:
        order(world, leak, "confirm")
        assert record(world, leak).held == ""
        assert record(world, leak).decided_by == "operator:1000"
        assert str(ORDERS) in requested(world)


def test_who_is_not_named_only_reports() -> None:
    world = leaking()
    leak = report(world, path=ORDERS, reporter="token:stranger")
    assert record(world, leak).held == "needs-confirmation"
    assert requested(world) == {}


def test_the_command_line_is_the_operators() -> None:
    world = indexed(leaking(response="revoke-first"))
    report(world, fingerprint=fingerprint(world, OLD), reporter="operator:1000")
    assert str(ORDERS) in requested(world)


def test_reports_cannot_take_production_down() -> None:
    world = leaking(leak_limit=5, leak_limit_per_reporter=3)
    paths = [ORDERS.model_copy(update={"path": f"platform-data/postgres/n{number}"}) for number in range(20)]
    for number, path in enumerate(paths):
        world.wiring.put(rotation(f"n{number}", path))
        world.authority.foreign_write(path, {"password": f"{OLD}-{number}"})
    leaks = [report(world, str(path), path=path) for path in paths]
    assert len(requested(world)) == 3
    assert [record(world, leak).held for leak in leaks[3:]] == ["budget"] * 17
    order(world, leaks[10], "confirm")  # an operator is not held
    assert len(requested(world)) == 4
    world.clock.advance(3601)
    world.tick("rotations")
    world.settle()
    assert len(requested(world)) == 7
    order(world, leaks[19], "dismiss")
    for _ in range(30):
        world.clock.advance(1800)
        world.tick("rotations")
        world.settle()
    assert len(requested(world)) == 19
    assert world.dead == []


def test_every_secret_of_one_report_takes_a_slot() -> None:
    world = leaking(leak_limit=2)
    for number in range(4):
        path = ORDERS.model_copy(update={"path": f"platform-data/postgres/n{number}"})
        world.wiring.put(rotation(f"n{number}", path))
        world.authority.foreign_write(path, {"password": OLD})
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert len(requested(world)) == 2
    found = record(world, leak)
    assert (found.state, found.held) == ("confirmed", "budget")
    assert sorted(one.standing for one in found.exposures) == ["held"] * 3 + ["rotating"] * 2


def test_a_policy_may_ignore_reports_and_an_operator_may_not_be_ignored() -> None:
    world = leaking(response="ignore")
    leak = report(world, path=ORDERS)
    assert record(world, leak).dismissed == "policy"
    order(world, leak, "confirm")
    assert record(world, leak).state == "confirmed"
    assert str(ORDERS) in requested(world)


def test_what_is_suspended_waits() -> None:
    world = leaking()
    world.suspensions.subjects[ORDERS.subject] = "incident"
    leak = report(world, path=ORDERS)
    assert record(world, leak).held == "suspended"
    world.suspensions.subjects.clear()
    world.clock.advance(1200)
    world.tick("rotations")
    world.settle()
    assert record(world, leak).state == "confirmed"


# --- what operators decide -------------------------------------------------------------------------------------------


def test_an_operator_names_the_secret() -> None:
    world = leaking()
    leak = report(world)
    assert record(world, leak).state == "dismissed"
    order(world, leak, "confirm", path=ORDERS, key="password")
    assert (record(world, leak).match, record(world, leak).state) == ("operator", "confirmed")


def test_an_operator_dismisses_and_no_report_opens_it_again() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    order(world, leak, "dismiss")
    assert world.leaks.of_path(ORDERS) == ()
    report(world, path=ORDERS)
    assert record(world, leak).dismissed == "operator"
    assert len(requested(world)) == 1


def test_orders_that_cannot_be_carried_out_say_what_to_do() -> None:
    world = leaking()
    unknown = "f" * 32
    leak = report(world)
    order(world, unknown, "confirm")
    order(world, leak, "confirm")
    order(world, leak, "confirm", path=TWIN)
    order(world, leak, "attest")
    reasons = [reason for _, reason in world.dead]
    for word, reason in zip(("list", "--path", "not wired", "confirmed"), reasons, strict=True):
        assert word in reason
    world.clock.advance(1)
    late = leaking()
    leak = report(late, path=TWIN)
    order(late, leak, "dismiss", expires=late.clock.now() - timedelta(seconds=1))
    assert "expired" in late.dead[0][1]


def test_a_producer_that_is_wired_twice_is_no_secret_of_ours() -> None:
    world = leaking()
    world.wiring.put(push_secret("other", "orders/other", {"x": f"{TWIN.path}#x"}))
    leak = report(world, path=TWIN)
    assert record(world, leak).dismissed == "unknown"


# --- a rotation that an operator gave up -----------------------------------------------------------------------------


def asked(world: LeakWorld) -> list[int]:
    """The attempts that triage asked for, each once, in order."""
    return sorted({one.attempt for one in world.said if isinstance(one, RotationRequested) and one.by == "triage"})


def test_a_repeated_alert_does_not_begin_anew_what_an_operator_gave_up() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    rotating(world, "aborted", version(world))
    before = len([one for one in world.said if isinstance(one, RotationRequested)])
    for hour in range(30):
        world.clock.advance(3600)
        report(world, path=ORDERS, status="resolved" if hour % 3 == 2 else "firing")
        report(world, f"another place {hour}", path=ORDERS, place=f"line {hour}")
        world.tick("rotations")
        world.settle()
    assert len([one for one in world.said if isinstance(one, RotationRequested)]) == before
    found = record(world, leak)
    assert (found.state, asked(world)) == ("confirmed", [1])
    said = [(line.what, line.detail) for line in found.timeline]
    assert said.count(("stopped", f"{ORDERS}: rotation 1 was given up")) == 1
    assert said.count(("reported", "again, after rotation 1 was given up")) == 1
    assert len(said) <= 7
    assert any("gave its rotation up" in one and "leak confirm" in one for one in found.missing)
    assert [stands(one, found, world.ports) for one in found.exposures] == ["aborted"]


def test_an_operator_has_what_was_given_up_rotated_again() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    rotating(world, "aborted", version(world))
    order(world, leak, "confirm", reason="now it may")
    assert asked(world) == [1, 2]
    order(world, leak, "confirm", reason="now it may")  # told again: the same
    assert asked(world) == [1, 2]
    found = record(world, leak)
    assert [(line.what, line.by) for line in found.timeline][-1] == ("confirmed", "operator:1000")
    rotated(world)
    carries(world, version(world))
    world.clock.advance(700)
    world.tick("rotations")
    world.settle()
    assert record(world, leak).state == "contained"
    assert [stands(one, record(world, leak), world.ports) for one in found.exposures] == ["revoked"]


def test_what_failed_is_left_to_the_sweep_however_often_it_is_told() -> None:
    """The limit counts versions: alerts that repeat must not have one rotated again and again."""
    world = leaking()
    report(world, path=ORDERS)
    for attempt in range(1, 6):
        rotating(world, "failed", version(world), attempt=attempt)
        world.clock.advance(3700)
        report(world, path=ORDERS)
    assert asked(world) == [1]


def test_a_part_that_waits_does_not_begin_anew_what_was_given_up() -> None:
    world = leaking(leak_limit=1)
    world.wiring.put(rotation("twin", TWIN))
    world.authority.foreign_write(TWIN, {"password": OLD})
    leak = report(world, fingerprint=fingerprint(world, OLD))
    assert record(world, leak).held == "budget"
    (first,) = requested(world)
    path = ORDERS if first == str(ORDERS) else TWIN
    rotating(world, "aborted", version(world, path), path)
    world.clock.advance(3700)
    world.tick("rotations")
    world.settle()
    assert asked(world) == [1]


# --- pinned ----------------------------------------------------------------------------------------------------------


def test_looked_at_again_a_path_means_the_version_that_it_meant_at_first() -> None:
    """It waits for its turn; meanwhile the path is rotated, within the seconds that clocks may be apart."""
    world = indexed(leaking(leak_limit=0))
    leak = report(world, path=ORDERS)
    assert record(world, leak).held == "budget"
    rotated(world)
    world.ports = replace(world.ports, settings=replace(world.ports.settings, leak_limit=9))
    world.clock.advance(1200)
    world.tick("rotations")
    world.settle()
    found = record(world, leak)
    assert [one.version.number for one in found.exposures] == [1]
    assert requested(world) == {}


def test_what_waits_for_the_index_is_pinned_before() -> None:
    world = leaking()
    with unindexed(world):
        leak = report(world, path=ORDERS)
        assert record(world, leak).state == "reported"
        rotated(world)
    world.tick("index")
    world.clock.advance(120)
    world.tick("rotations")
    world.settle()
    assert [one.version.number for one in record(world, leak).exposures] == [1]
    assert requested(world) == {}


def test_a_version_that_the_index_has_not_seen_yet_is_not_mistaken_for_the_newest() -> None:
    world = indexed(leaking())
    world.clock.advance(60)
    world.authority.foreign_write(ORDERS, {"username": "orders-application", "password": "second-value-0815"})
    seen = world.clock.now()
    world.clock.advance(60)
    rotated(world)
    leak = report(world, path=ORDERS, noticed=seen)
    assert [one.version.number for one in record(world, leak).exposures] == [2]


def test_an_operator_who_names_another_path_means_its_newest_version() -> None:
    world = indexed(leaking(trust="report"))
    leak = report(world, path=ORDERS, version=1)
    world.wiring.put(rotation("twin", TWIN))
    for value in ("one-value-4711", "two-value-4711"):
        world.authority.foreign_write(TWIN, {"password": value})
    order(world, leak, "confirm", path=TWIN)
    assert [(str(one.path), one.version.number) for one in record(world, leak).exposures] == [(str(TWIN), 2)]
