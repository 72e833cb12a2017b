"""Reports without end neither fill the authority, nor hide a finding, nor take production down."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from events.leak import LeakConfirmed
from events.rotation import RotationRequested
from functions import _leak_joining, _leak_pruning
from functions._leak_limits import Slots, trust_of
from functions._leak_mapping import Found
from functions._leak_records import KEPT, KEPT_BY_ORDER
from functions._leaks import SETTLED, Trust
from tests.functions.leaking import (
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
    rotation,
    told,
    unsettled,
    version,
)

LOKI = "reporter:loki"


def tick(world: LeakWorld, minutes: float = 1) -> None:
    world.clock.advance(minutes * 60)
    world.tick("rotations")
    world.settle()


def documents(world: LeakWorld) -> int:
    return len(world.leaks.ids())


# --- findings of one secret ------------------------------------------------------------------------------------------


def test_findings_of_what_is_answered_join_it() -> None:
    world = indexed(leaking())
    first = report(world, path=ORDERS, key="password")
    world.clock.advance(1)
    before = len(requested(world)), len(world.said)
    for number in range(600):
        by_value = {"fingerprint": fingerprint(world, OLD)} if number % 2 else {"path": ORDERS, "key": "password"}
        report(world, f"n{number}", place=f"file {number}", **by_value)
    assert documents(world) == 1
    found = record(world, first)
    assert len(found.joined) == _leak_joining.MOST
    assert [(line.what, line.by) for line in found.timeline].count(("joined", PROMETHEUS)) == 1
    assert len(found.timeline) == 3
    assert len(requested(world)) == before[0]
    assert len(world.said) == before[1] + 600  # the reports themselves, and nothing for them
    assert world.leaks.of_path(ORDERS) == (first,)
    assert world.dead == []


def test_told_again_and_resolved_what_joined_is_not_written_again() -> None:
    world = leaking()
    first = report(world, path=ORDERS)
    world.clock.advance(1)
    report(world, "other", path=ORDERS, place="b")
    revision = record(world, first).revision
    for status in ("firing", "resolved", "firing"):
        report(world, "other", path=ORDERS, place="b", status=status)
    assert record(world, first).revision == revision
    assert record(world, first).state == "confirmed"


def test_who_joins_is_named_and_lends_nothing() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    world.clock.advance(1)
    report(world, "other", path=ORDERS, reporter=LOKI)
    found = record(world, leak)
    assert found.reporters == (PROMETHEUS,)
    assert [(line.what, line.by) for line in found.timeline][-1] == ("joined", LOKI)


def test_another_property_of_the_same_version_is_named() -> None:
    world = leaking()
    world.authority.foreign_write(PRODUCED, {"password": "a-secret-of-redis-1", "token": "another-secret-4711"})
    leak = report(world, path=PRODUCED, key="password")
    world.clock.advance(1)
    report(world, "other", path=PRODUCED, key="token")
    assert [one.key for one in record(world, leak).exposures] == [None]
    assert documents(world) == 1
    assert [one.exposures[0].key for one in told(world, LeakConfirmed)] == ["password", None]


def test_who_vouched_for_one_property_did_not_for_another() -> None:
    world = leaking()
    world.authority.foreign_write(PRODUCED, {"password": "a-secret-of-redis-1", "token": "another-secret-4711"})
    leak = report(world, path=PRODUCED, key="password")
    order(world, leak, "attest")
    assert record(world, leak).state == "contained"
    world.clock.advance(1)
    for number in range(5):
        report(world, f"same {number}", path=PRODUCED, key="password")
    assert documents(world) == 1
    other = report(world, "other", path=PRODUCED, key="token")
    found = record(world, other)
    assert found.state == "confirmed"
    assert ["attest" in one for one in found.missing] == [True]


def test_another_version_or_secret_is_a_finding_of_its_own() -> None:
    world = indexed(leaking())
    world.wiring.put(rotation("twin", TWIN))
    world.authority.foreign_write(TWIN, {"password": "another-value-0815"})
    first = report(world, path=ORDERS)
    world.clock.advance(1)
    twin = report(world, "twin", path=TWIN)
    rotated(world)
    world.clock.advance(60)
    second = report(world, "second", path=ORDERS)
    assert documents(world) == 3
    assert [record(world, leak).exposures[0].version.number for leak in (first, second)] == [1, 2]
    assert record(world, twin).state == "confirmed"


def test_what_an_owner_had_to_replace_is_rotated_where_a_rotation_was_wired_since() -> None:
    world = leaking()
    world.authority.foreign_write(PRODUCED, {"password": "a-secret-of-redis-1"})
    (push,) = world.wiring.producers_of_path(PRODUCED)
    report(world, path=PRODUCED)
    assert requested(world) == {}
    world.wiring.remove(push.ref)
    world.wiring.put(rotation("cache", PRODUCED))
    world.clock.advance(1)
    report(world, "other", path=PRODUCED)
    assert requested(world).keys() == {str(PRODUCED)}


def test_findings_of_what_was_contained_join_that() -> None:
    world = indexed(leaking())
    first = report(world, path=ORDERS)
    rotated(world)
    carries(world, version(world))
    tick(world, 3)
    assert record(world, first).state == "contained"
    for number in range(50):
        report(world, f"n{number}", path=ORDERS, version=1, place=f"file {number}")
    assert documents(world) == 1
    assert len(record(world, first).joined) == 50
    assert record(world, first).state == "contained"
    assert world.reminders.entries == set()


def test_what_was_contained_stays_found_by_its_path_within_limits() -> None:
    world = leaking()
    for number in range(SETTLED + 5):
        world.leaks.settle(ORDERS, f"{number:032x}")
    assert len(world.leaks.settled(ORDERS)) == SETTLED


def test_findings_that_wait_for_an_operator_join_while_nobody_decides() -> None:
    world = leaking()
    first = report(world, path=ORDERS, reporter="token:stranger")
    world.clock.advance(1)
    for number in range(40):
        report(world, f"n{number}", path=ORDERS, reporter=f"token:stranger-{number % 4}")
    assert documents(world) == 1
    assert record(world, first).reporters == ("token:stranger",)
    # and one who may have it rotated is not held up by those who may not
    world.clock.advance(1)
    trusted = report(world, "trusted", path=ORDERS)
    assert record(world, trusted).state == "confirmed"
    assert requested(world).keys() == {str(ORDERS)}
    order(world, first, "confirm")
    assert len([one for one in world.said if isinstance(one, RotationRequested) and one.attempt > 1]) == 0


def test_a_finding_that_waited_for_the_index_joins_and_leaves_nothing_behind() -> None:
    world = leaking()
    world.index.endless = True
    waiting = report(world, "waiting", fingerprint=f"v1.{'ab' * 32}", path=ORDERS)
    world.clock.advance(1)
    assert record(world, waiting).state == "reported"
    tick(world, 11)
    first = record(world, waiting)
    assert first.state == "confirmed"
    later = report(world, "later", fingerprint=f"v1.{'cd' * 32}", path=ORDERS)
    assert record(world, later).state == "reported"
    tick(world, 11)
    tick(world, 1)
    assert world.leaks.read(later) is None
    assert record(world, waiting).joined == (later,)
    assert not any(later in one.subject for one in world.reminders.entries)
    order(world, waiting, "dismiss")
    assert world.dead == []


@pytest.mark.parametrize("seed", range(10))
def test_in_any_order_one_of_many_is_left(seed: int) -> None:
    """Two that are looked at side by side do not each disappear into the other."""
    world = indexed(leaking())
    world.rng, world.duplicate, world.shuffle = random.Random(seed), 0.5, True
    leaks = []
    with unsettled(world):
        for number in range(6):
            leaks.append(report(world, f"n{number}", path=ORDERS, reporter="token:x" if number % 2 else PROMETHEUS))
            world.clock.advance(0.001)
    world.settle()
    tick(world, 2)
    left = [record(world, leak) for leak in world.leaks.ids()]
    assert 1 <= len(left) <= 2
    assert {one.state for one in left} <= {"confirmed", "reported"}
    assert requested(world).keys() == {str(ORDERS)}
    assert {leak for one in left for leak in (one.id, *one.joined)} == set(leaks)
    assert world.dead == []


# --- findings of nothing ---------------------------------------------------------------------------------------------


def test_what_leads_to_nothing_is_forgotten_after_a_week() -> None:
    world = leaking()
    leak = report(world, path=TWIN)
    world.clock.advance((KEPT - timedelta(hours=1)).total_seconds())
    tick(world)
    assert record(world, leak).state == "dismissed"
    world.clock.advance(timedelta(days=1, hours=2).total_seconds())
    tick(world)
    assert documents(world) == 0
    assert world.reminders.entries == set()


def test_of_too_many_that_lead_to_nothing_the_oldest_go() -> None:
    world = leaking()
    early = [report(world, f"early {number}", path=TWIN) for number in range(30)]
    world.clock.advance(2 * 86_400)
    for number in range(_leak_pruning.MOST):
        report(world, f"n{number}", path=TWIN)
    operators = report(world, "operator's", path=TWIN)
    order(world, operators, "dismiss")
    tick(world)
    assert documents(world) == _leak_pruning.MOST + 1
    assert not set(early) & set(world.leaks.ids())
    assert record(world, operators).dismissed == "operator"
    assert len(world.reminders.entries) == _leak_pruning.MOST + 1


def test_what_an_operator_dismissed_stays_so_while_it_is_told() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    order(world, leak, "dismiss")
    revision = record(world, leak).revision
    for _ in range(20):
        report(world, path=ORDERS)
    assert record(world, leak).revision == revision
    for _ in range(3):
        world.clock.advance((KEPT_BY_ORDER - timedelta(days=1)).total_seconds())
        tick(world)
        report(world, path=ORDERS)
        assert record(world, leak).dismissed == "operator"
    world.clock.advance((KEPT_BY_ORDER + timedelta(days=2)).total_seconds())
    tick(world)
    assert documents(world) == 0


# --- how much reports set going --------------------------------------------------------------------------------------


def crowd(limit: int, own: int, **reporters: Trust) -> LeakWorld:
    world = leaking(leak_limit=limit, leak_limit_per_reporter=own)
    trusted = {f"reporter:{name}": may for name, may in reporters.items()}
    world.ports = replace(world.ports, settings=replace(world.ports.settings, reporters=trusted))
    return world


def secrets(world: LeakWorld, count: int) -> list[str]:
    names = [f"n{number}" for number in range(count)]
    for name in names:
        path = ORDERS.model_copy(update={"path": f"platform-data/postgres/{name}"})
        world.wiring.put(rotation(name, path))
        world.authority.foreign_write(path, {"password": f"{OLD}-{name}"})
    return [f"platform-data/postgres/{name}" for name in names]


def test_several_reporters_together_are_held_to_the_limit_of_all_and_each_to_its_own() -> None:
    world = crowd(7, 3, a="rotate", b="rotate", c="rotate", d="report")
    paths = [ORDERS.model_copy(update={"path": path}) for path in secrets(world, 40)]
    reporters = [f"reporter:{name}" for name in "abcd"]
    for hour in range(1, 4):
        for number, path in enumerate(paths):
            for times in range(2):  # each finding by two of them, and again
                reporter = reporters[(number + times) % 4]
                report(world, f"{path} {times}", path=path, reporter=reporter)
        assert len(requested(world)) == 7 * hour
        holders = [one.partition(" ") for one in world.budgets.read("leak").holders]
        assert len({what for _, _, what in holders}) == 7
        assert max(Counter(reporter for reporter, _, _ in holders).values()) <= 3
        world.clock.advance(3601)
    assert world.dead == []


def test_who_only_reports_lends_nobody_a_limit() -> None:
    """One token that may rotate goes by its own limit, whoever else it has tell first."""
    world = crowd(100, 2, a="rotate")
    for number, path in enumerate(secrets(world, 10)):
        at = ORDERS.model_copy(update={"path": path})
        report(world, path, path=at, reporter=f"token:shill-{number}")
        report(world, path, path=at, reporter="reporter:a")
    assert len(requested(world)) == 2


def test_names_that_look_alike_share_no_limit() -> None:
    alike: dict[str, Trust] = {"a-b": "rotate", "a.b": "rotate"}
    world = crowd(100, 1, **alike)
    for name, path in zip(("a-b", "a.b"), secrets(world, 2), strict=True):
        report(world, path, path=ORDERS.model_copy(update={"path": path}), reporter=f"reporter:{name}")
    assert len(requested(world)) == 2
    assert trust_of(("reporter:a-b",), world.ports.settings) == "rotate"


def test_no_slot_is_taken_where_the_other_is_refused() -> None:
    world = crowd(1, 5, a="rotate")
    ports = world.ports
    for number in range(3):
        path = ORDERS.model_copy(update={"path": f"x/{number}"})
        slots = Slots("reporter:a", ports.budgets.read, ports)
        assert slots.take(Found(path, None, version(world), "current")) is (number == 0)
        for write in slots.writes():
            write()
    assert len(world.budgets.read("leak").holders) == 1
