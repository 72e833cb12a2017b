"""create: beginning, joining, waiting in line, and staging once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from events.references import ManifestRef
from events.rotated import RotationCompleted, RotationFailed, RotationRevoked, RotationStaged
from events.rotation import PhaseRequested, RotationRequested
from functions._orders import expiry
from functions._ports import Claim, Publication, Settings
from functions._rotation_naming import path_of, rotation_id, text_of
from functions._rotations import Phase
from functions._workloads import Budget
from tests.fakes.authority import KEPT_VERSIONS
from tests.fakes.world import World, path, push_secret, rotation, rotation_target
from tests.functions.rotating import (
    FIRST,
    PATH,
    STRATEGIES,
    abort,
    ask,
    failures,
    finished,
    live,
    login,
    newest,
    record,
    rotating,
    settled,
    slots,
    staged_values,
    system_of,
    tick,
    until,
)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rotation_goes_from_order_to_refused_login(strategy: str) -> None:
    world = rotating(strategy)
    before = live(world)
    ask(world)
    world.settle()
    finished(world)
    after = live(world)
    assert before is not None
    assert after is not None
    assert {key for key in before if before[key] != after[key]} <= {"username", "password", "key", "secret"}


def test_the_claim_is_made_and_the_base_vouched_for_before_anything_is_staged() -> None:
    world = rotating()
    order: list[str] = []
    world.claims.before = lambda operation, _: order.append(f"claims.{operation}")
    world.pending.before = lambda operation, _: order.append(f"pending.{operation}")
    world.publications.before = lambda operation, _: order.append(operation)
    ask(world)
    world.deliver(world.queue.popleft())
    assert order.index("claims.create") < order.index("publications.record") < order.index("pending.create")
    claim = world.claims.read(PATH)
    assert claim is not None
    assert (claim.origin, claim.owner, claim.cluster) == ("rotation", "Rotation orders/database", "test")


def test_a_repeated_order_begins_nothing_twice() -> None:
    world = rotating()
    ask(world)
    order = next(event for event in world.said if isinstance(event, RotationRequested))
    world.settle()
    for _ in range(3):
        world.say(order)
    world.settle()
    finished(world)
    assert len(staged_values(world)) == 1
    assert world.dead == []


def test_an_order_about_a_version_that_was_replaced_does_nothing() -> None:
    world = rotating()
    before = newest(world)
    ask(world)
    world.settle()
    ask(world, base=before, attempt=9)
    world.settle()
    assert record(world).attempt == 1
    assert len(staged_values(world)) == 1


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_version_that_was_not_read_yet_is_a_retry() -> None:
    world = rotating()
    version = newest(world)
    assert version is not None
    later = version.model_copy(update={"number": 5, "created": version.created + timedelta(seconds=1)})
    ask(world, base=later)
    world.deliver(world.queue.popleft())
    assert len(world.queue) == 1


def test_two_triggers_at_once_are_one_rotation_and_the_stricter_policy_counts() -> None:
    world = rotating(grace="1h")
    ask(world)
    ask(world, "leak", by="triage")
    world.settle()
    finished(world)
    assert record(world).policy == "leak"
    assert len(staged_values(world)) == 1


def test_a_leak_ends_the_grace_of_a_planned_rotation_at_once() -> None:
    world = rotating("alternating", grace="1h")
    before = newest(world)
    ask(world)
    world.settle()
    assert record(world).phase == "promoted"
    assert system_of(world).lets_in("app_a", FIRST)
    ask(world, "leak", base=before)
    world.settle()
    finished(world)


def test_a_newer_value_that_leaks_waits_for_the_former_revocation_and_makes_it_strict() -> None:
    world = rotating("alternating", grace="1h")
    ask(world)
    world.settle()
    first = record(world)
    assert first.phase == "promoted"
    ask(world, "leak")  # about the promoted version
    world.settle()
    tick(world)
    second = record(world)
    assert (second.phase, second.base, second.policy) == ("completed", first.promoted, "leak")
    assert second.id != first.id
    assert len(staged_values(world)) == 2


def test_a_leak_is_not_held_back_by_a_planned_attempt_that_failed() -> None:
    world = rotating()
    system_of(world).refuses = lambda value: True
    ask(world)
    world.settle()
    assert failures(world)[-1][1:] == ("target-refused", True)
    system_of(world).refuses = lambda value: False
    ask(world, "leak")
    world.settle()
    assert (record(world).phase, record(world).attempt) == ("completed", 2)


def test_a_rotation_whose_end_nobody_told_is_told_of_before_the_next_begins() -> None:
    world = rotating()
    ask(world)
    until(world, "completed")
    first = record(world).id
    world.queue.clear()
    world.said.clear()  # whoever ended it died before saying so
    ask(world)
    world.settle()
    assert record(world).id != first
    assert (record(world).phase, record(world).following) == ("completed", None)
    said = [(one.TYPE, one.rotation) for one in world.said if isinstance(one, RotationCompleted | RotationStaged)]
    ends = (RotationCompleted.TYPE, first)
    assert ends in said
    assert said.index(ends) < said.index((RotationStaged.TYPE, record(world).id))


def test_an_order_that_was_carried_out_has_the_end_told_that_nobody_heard_of() -> None:
    world = rotating()
    system_of(world).refuses = lambda value: True
    ask(world)
    order = next(event for event in world.said if isinstance(event, RotationRequested))
    until(world, "failed")
    world.queue.clear()
    world.said.clear()  # whoever ended it died before saying so
    world.say(order)
    world.settle()
    assert failures(world) == [("apply", "target-refused", True)]
    assert record(world).told


@pytest.mark.parametrize("phase", ["aborted", "requested"])
def test_what_is_staged_stays_only_where_somebody_goes_by_it(phase: Phase) -> None:
    """Whoever staged it was overtaken before the record could name it."""
    world = rotating()
    ask(world)

    def overtake(operation: str, _subject: str) -> None:
        if operation == "create":
            world.pending.after = lambda *_: None
            world.rotations.write(
                replace(record(world), phase=phase, policy="leak", told=True, ending="revoke:aborted")
            )

    world.pending.after = overtake
    world.deliver(world.queue.popleft())
    if phase == "aborted":
        assert world.pending.known(PATH) is None
        return
    world.settle()
    finished(world)
    assert len(staged_values(world)) == 1


def test_the_first_rotation_of_a_path_vouches_for_what_it_finds_whatever_a_former_origin_confirmed() -> None:
    world = rotating()
    found = newest(world)
    assert found is not None
    former = found.model_copy(update={"number": found.number + 8})  # before the path began anew
    push = ManifestRef(kind="PushSecret", namespace="orders", name="gone")
    world.publications.record(Publication(PATH, former, push, {}))
    ask(world)
    until(world, "staged")
    known = world.publications.known[PATH]
    assert (known.version, known.manifest.kind) == (found, "Rotation")
    world.settle()
    finished(world)


def test_nothing_is_taken_from_what_others_wrote_where_the_confirmed_version_is_gone() -> None:
    world = rotating()
    ask(world)
    world.settle()
    for _ in range(KEPT_VERSIONS + 1):
        world.authority.foreign_write(PATH, {"username": b"app", "password": b"theirs", "host": b"evil"})
    staged = len(world.pending.history)
    ask(world, attempt=2)
    world.settle()
    tick(world, 700, 2)
    assert failures(world) == [("create", "conflict", False)]
    (told,) = {one.explanation for one in world.said if isinstance(one, RotationFailed)}
    assert "restore it, or delete the path with its metadata" in told
    assert len(world.pending.history) == staged
    world.authority.delete_metadata(PATH)
    world.clock.advance(60)
    world.authority.foreign_write(PATH, {"username": b"app", "password": b"lost", "host": b"orders-db"})
    tick(world, 700, 2)
    world.settle()
    assert record(world).phase == "completed"
    assert (live(world) or {})["host"] == b"orders-db"


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_producers_path_is_rotated_at_its_source() -> None:
    world = rotating()
    world.push(push_secret("all", "orders/source", {"password": f"{PATH.path}#password"}))
    ask(world)
    world.settle()
    (_, reason), *more = world.dead
    assert "is published by PushSecret orders/all" in reason
    assert not more
    assert world.rotations.known(PATH) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda world: world.wiring.rotating.clear(), "rotated by no manifest"),
        (lambda world: world.access.denied_publish.add(("orders", str(PATH))), "may not publish"),
        (lambda world: world.systems.targets.clear(), "not declared"),
        (lambda world: world.systems.targets.update(orders=rotation_target(allow=[])), "does not let namespace"),
        (
            lambda world: world.claims.seed(
                Claim(PATH, "PushSecret shop/x", "test", "u", "producer", 1, "active")
            ),
            "belongs to PushSecret shop/x",
        ),
    ],
)  # fmt: skip
@pytest.mark.orderly("counts what is said, or delivers in order")
def test_whoever_may_not_rotate_is_told_why(spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    world = rotating()
    spoil(world)
    ask(world)
    world.settle()
    assert [said in reason for _, reason in world.dead] == [True]
    assert world.pending.history == []
    assert system_of(world).changes == []


@pytest.mark.parametrize("phase", ["requested", "staged", "applied", "verified"])
def test_a_permission_that_is_withdrawn_on_the_way_holds_it_back(phase: str) -> None:
    world = rotating("alternating")
    ask(world)
    if phase != "requested":
        until(world, phase)
    world.access.denied_publish.add(("orders", str(PATH)))
    done, writes = list(system_of(world).changes), newest(world)
    world.settle()
    tick(world, 700, 2)
    assert (system_of(world).changes, newest(world)) == (done, writes)
    if phase == "requested":
        return  # refused before there is a record
    assert [one[1:] for one in failures(world)] == [("not-allowed", False)]
    world.access.denied_publish.clear()
    tick(world, 700)
    finished(world)


def test_content_of_an_account_that_is_not_named_is_left_alone() -> None:
    world = rotating("alternating")
    world.authority.foreign_write(PATH, {"username": b"root", "password": b"x"})
    ask(world)
    world.settle()
    assert failures(world) == [("create", "not-allowed", True)]
    assert system_of(world).changes == []


def test_a_released_path_is_claimed_in_the_next_epoch() -> None:
    world = rotating()
    world.claims.seed(Claim(PATH, "PushSecret shop/x", "test", "u", "producer", 4, "released", "delete"))
    ask(world)
    world.settle()
    claim = world.claims.read(PATH)
    assert claim is not None
    assert (claim.epoch, claim.origin, claim.on_removal) == (5, "rotation", "keep")
    finished(world)


# --- waiting ---------------------------------------------------------------------------------------------------------


def many(count: int, settings: Settings | None = None) -> World:
    world = rotating(settings=settings)
    for number in range(count):
        name = f"app-{number}"
        at = path(f"runtime/orders/{name}")
        system_of(world).open_account(name, name.encode())
        world.authority.foreign_write(at, {"username": name, "password": name})
        world.rotate(rotation(f"orders/{name}", at.path, target={"name": "orders", "account": name}))
    world.settle()
    return world


def test_a_storm_holds_the_budgets_and_loses_none() -> None:
    world = many(30, Settings(cluster="test", rotation_limit=3))
    most = 0

    def look(_operation: str, _subject: str) -> None:
        nonlocal most
        held = [b for pool, b in world.budgets.pools.items() if pool == "rotate"]
        most = max([most, *(len(budget.holders) for budget in held)])

    world.budgets.after = look
    for number in range(30):
        ask(world, at=path(f"runtime/orders/app-{number}"))
    world.settle(limit=20000)
    for _ in range(3):
        tick(world, 300)
    assert most <= 3
    phases = {record(world, path(f"runtime/orders/app-{number}")).phase for number in range(30)}
    assert phases == {"completed"}
    assert slots(world) == []
    assert world.dead == []


def test_whom_a_slot_is_for_is_known_although_others_change_the_pool() -> None:
    world = many(1, Settings(cluster="test", rotation_limit=1))
    world.budgets.pools.clear()
    ask(world)
    world.deliver(world.queue.popleft())  # holds the one slot
    ask(world, at=path("runtime/orders/app-0"))
    raced = 0

    def race(operation: str, pool: str) -> None:
        nonlocal raced
        known = world.budgets.pools.get(pool)
        if operation == "write" and pool == "rotate" and known is not None and raced < 3 and promoted():
            raced += 1  # somebody else is faster
            world.budgets.pools[pool] = replace(known, revision=known.revision + 1)

    def promoted() -> bool:
        return record(world).phase in ("promoted", "completed")

    world.budgets.before = race
    world.settle()
    assert raced == 3
    assert record(world, path("runtime/orders/app-0")).phase == "completed"
    assert slots(world) == []


def test_a_leak_goes_first_in_line() -> None:
    world = many(3, Settings(cluster="test", rotation_limit=1))
    world.budgets.pools.clear()
    ask(world)
    world.deliver(world.queue.popleft())  # holds the one slot
    for number, policy in enumerate(("planned", "planned", "leak")):
        ask(world, policy, at=path(f"runtime/orders/app-{number}"))
    for delivery in [one for one in world.queue if isinstance(one.received.event, RotationRequested)]:
        world.queue.remove(delivery)
        world.deliver(delivery)
    assert world.budgets.read("rotate").waiting[0] == "orders:1/secret/runtime/orders/app-2"
    world.settle()
    assert slots(world) == []


def waiting_leak() -> World:
    """A leak that staged its value and waits for the one slot, which another rotation holds."""
    world = many(1, Settings(cluster="test", rotation_limit=1))
    ask(world)
    world.settle()
    finished(world)  # so that its claim is there, and the next one may begin at once
    world.clock.advance(3600)
    ask(world, at=path("runtime/orders/app-0"))
    world.deliver(world.queue.popleft())  # holds the one slot
    ask(world, "leak")
    world.deliver(world.queue.pop())
    assert (record(world).phase, len(slots(world))) == ("requested", 2)
    return world


def test_a_leak_that_waits_for_its_slot_has_staged_its_value_and_told_nobody_of_it() -> None:
    world = waiting_leak()
    before, staged = live(world), world.pending.known(PATH)
    assert staged is not None
    assert not login(world, staged.data)
    assert login(world, before)
    world.settle()
    tick(world, times=3)
    assert record(world).phase == "completed"
    assert len(staged_values(world)) == 3  # of three rotations: none was made a second time
    assert live(world) == {key: value.reveal() for key, value in staged.data.items()}
    settled(world)


def test_a_leak_that_is_given_up_in_line_leaves_nothing_staged() -> None:
    world = waiting_leak()
    before = live(world)
    abort(world)
    world.settle()
    tick(world, times=3)
    assert record(world).phase == "aborted"
    assert live(world) == before
    assert login(world, before)
    settled(world)


def test_a_slot_is_handed_on_to_whoever_waits_and_not_to_who_comes_then() -> None:
    world = many(2, Settings(cluster="test", rotation_limit=1))
    ask(world)
    world.deliver(world.queue.popleft())  # holds the one slot
    first, second = path("runtime/orders/app-0"), path("runtime/orders/app-1")
    ask(world, at=first)
    world.deliver(world.queue.pop())
    handed: list[list[str]] = []

    def look(operation: str, pool: str) -> None:
        budget = world.budgets.pools.get("rotate")
        if (operation, pool) == ("write", "rotate") and budget is not None:
            handed.append(list(budget.holders))

    world.budgets.after = look
    until(world, "promoted")
    ask(world, at=second)
    world.settle()
    holder, *names = [f"orders:{text_of(one)}" for one in (PATH, first, second)]
    turns = [one for one in dict.fromkeys(map(tuple, handed)) if one]
    if turns[0] == (holder,):  # a repeated delivery of one who waits found it there still
        del turns[0]
    assert turns == [(name,) for name in names]
    assert {record(world, one).phase for one in (PATH, first, second)} == {"completed"}
    assert slots(world) == []


def test_a_slot_is_handed_on_within_the_limit_of_each_target() -> None:
    world = many(2, Settings(cluster="test", rotation_limit=2))
    world.declare(rotation_target("busy", limits={"concurrent": 1}))
    later = world.clock.now() + timedelta(minutes=30)
    waiting = ("busy:1/secret/x", f"orders:{text_of(path('runtime/orders/app-0'))}")
    holders = {"busy:1/secret/y": later, f"orders:{text_of(PATH)}": later}
    world.budgets.pools["rotate"] = Budget("rotate", holders, waiting, 1)
    ask(world)
    world.settle()
    pool = world.budgets.read("rotate")
    assert (tuple(pool.holders), pool.waiting) == (("busy:1/secret/y",), waiting[:1])


def test_a_slot_that_nobody_waits_for_any_more_is_free_again() -> None:
    world = many(1, Settings(cluster="test", rotation_limit=1))
    ask(world)
    world.deliver(world.queue.popleft())
    known = world.budgets.read("rotate")
    gone = ("orders:1/secret/runtime/orders/nobody", "not-the-name-of-one", "other:1/secret/runtime/orders/app-0")
    world.budgets.write(replace(known, waiting=gone))
    ask(world, at=path("runtime/orders/app-0"))
    world.settle()
    assert record(world, path("runtime/orders/app-0")).phase == "completed"
    assert slots(world) == []


def test_a_slot_whose_holder_died_is_free_after_a_while() -> None:
    world = many(1, Settings(cluster="test", rotation_limit=1))
    ask(world)
    world.deliver(world.queue.popleft())
    world.queue.clear()  # whoever held the slot is gone
    ask(world, at=path("runtime/orders/app-0"))
    world.settle()
    assert record(world, path("runtime/orders/app-0")).phase == "requested"
    tick(world, 901)
    tick(world, 301)
    assert record(world, path("runtime/orders/app-0")).phase == "completed"


def test_a_planned_rotation_waits_for_its_window_and_a_leak_does_not() -> None:
    schedule = {"interval": "720h", "window": "03:00-04:00"}
    world = rotating(schedule=schedule)
    ask(world)
    world.settle()
    waiting = record(world)
    assert (waiting.phase, waiting.trouble and waiting.trouble.reason) == ("requested", "window")
    assert failures(world) == []
    tick(world, 3 * 3600 + 60)
    finished(world)
    leaked = rotating(schedule=schedule)
    ask(leaked, "leak")
    leaked.settle()
    finished(leaked)


def test_waiting_longer_than_the_maximum_age_is_told_once() -> None:
    world = rotating(maximumAge="24h", schedule={"interval": "720h", "window": "Sun 03:00-04:00"})
    ask(world)
    world.settle()
    world.clock.advance(26 * 3600)
    world.say(PhaseRequested(path=PATH, rotation=record(world).id, expires=expiry(world.ports), reason="test"))
    world.settle()
    tick(world)
    assert failures(world) == [("create", "overdue", False)]


def test_a_breaker_opens_after_failures_and_lets_leaks_pass() -> None:
    world = many(4)
    system_of(world).refuses = lambda value: True
    for number in range(3):
        ask(world, at=path(f"runtime/orders/app-{number}"))
        world.settle()
    system_of(world).refuses = lambda value: False
    ask(world)
    world.settle()
    known = record(world)
    assert known.trouble is not None
    assert known.trouble.reason == "breaker"
    ask(world, "leak", at=path("runtime/orders/app-3"))
    world.settle()
    assert record(world, path("runtime/orders/app-3")).phase == "completed"
    tick(world, 660)
    finished(world, values=9)


def test_suspended_it_waits_and_says_so_once() -> None:
    world = rotating()
    world.suspensions.subjects[PATH.subject] = "migration"
    ask(world)
    world.settle()
    tick(world, 600, 3)
    assert failures(world) == [("create", "suspended", False)]
    assert world.claims.read(PATH) is None
    assert system_of(world).changes == []
    world.suspensions.subjects.clear()
    tick(world, 700)
    finished(world)


def test_a_leak_overrides_a_suspension_only_where_its_owner_said_so() -> None:
    for allowed in (False, True):
        world = rotating(leak={"overrideSuspension": allowed})
        world.suspensions.subjects[PATH.subject] = "migration"
        ask(world, "leak")
        world.settle()
        assert (record(world).phase == "completed") == allowed


# --- values ----------------------------------------------------------------------------------------------------------


def test_values_are_made_of_the_generators_characters() -> None:
    world = rotating(generator={"length": 40, "alphabet": "abcdefghijkl", "exclude": "ab"})
    ask(world)
    world.settle()
    (made,) = staged_values(world)
    assert len(made) == 40
    assert set(made.decode()) <= set("cdefghijkl")


def test_a_path_without_a_value_gets_exactly_the_credential() -> None:
    world, at = rotating(), path("runtime/orders/new")
    world.rotate(rotation("orders/new", at.path, target={"name": "orders", "account": "new"}))
    ask(world, at=at)
    world.settle()
    assert sorted(world.path(at) or {}) == ["password", "username"]
    assert record(world, at).phase == "completed"


def test_properties_rename_fields() -> None:
    world = rotating(properties={"password": "DB_PASSWORD", "username": "DB_USER"})
    world.authority.foreign_write(PATH, {"DB_USER": "app", "DB_PASSWORD": FIRST.decode(), "other": "kept"})
    ask(world)
    world.settle()
    data = live(world)
    assert data is not None
    assert data["other"] == b"kept"
    assert data["DB_PASSWORD"] != FIRST
    assert not system_of(world).lets_in("app", FIRST)


def test_content_that_others_wrote_since_is_not_gone_on_from() -> None:
    world = rotating()
    ask(world)
    world.settle()
    good, given = live(world), newest(world)
    world.authority.foreign_write(PATH, {"username": b"app", "password": b"theirs", "extra": b"theirs"})
    ask(world)
    world.settle()
    assert record(world).phase == "completed"
    last = world.events(RotationRevoked)[-1]
    assert isinstance(last, RotationRevoked)
    assert last.revoked == given != last.base, "what was revoked is what consumers had, whoever wrote over it"
    after = live(world)
    assert good is not None
    assert after is not None
    assert sorted(after) == sorted(good)
    assert not system_of(world).lets_in("app", good["password"])
    claim = world.claims.read(PATH)
    assert claim is not None
    assert world.fingerprints.one("revoked", good["password"]) in claim.revoked


def test_what_a_former_rotation_left_staged_is_not_used() -> None:
    world = rotating()
    ask(world)
    world.deliver(world.queue.popleft())
    left = world.pending.known(PATH)
    assert left is not None
    world.queue.clear()
    world.rotations._records.clear()
    ask(world, attempt=2)
    world.settle()
    assert live(world) != {key: value.reveal() for key, value in left.data.items()}
    assert record(world).phase == "completed"


def test_names_of_paths_are_found_again() -> None:
    for text in ("1/secret/a/b", "2/team-a/secret/a"):
        found = path_of(text)
        assert found is not None
        assert text_of(found) == text
    assert path_of("x/secret/a") is path_of("1/secret") is path_of("") is path_of("9/a/b") is None
    assert rotation_id(PATH, None, 1) != rotation_id(PATH, None, 2)


@pytest.mark.orderly("it counts what one delivery tells")
def test_a_staged_fact_is_said_again_and_only_while_nobody_went_on() -> None:
    world = rotating()
    ask(world)
    order = world.said[-1]
    world.deliver(world.queue.popleft())
    world.say(order)
    world.deliver(world.queue.pop())
    assert len(world.events(RotationStaged)) == 2
    world.settle()
    world.say(order)
    world.settle()
    assert len(world.events(RotationStaged)) == 2
    assert not world.events(RotationFailed)
