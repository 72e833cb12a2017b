"""apply: targets that are away, admins without rights, values that a policy refuses, and lost answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from events.references import PathRef
from events.rotated import RotationFailed, RotationStaged
from events.rotation import PhaseRequested
from functions._orders import expiry
from functions._rotation_facts import MOST_DETAIL, holding
from tests.fakes.world import World, rotation, rotation_target
from tests.functions.rotating import (
    PATH,
    STRATEGIES,
    ask,
    failures,
    finished,
    live,
    login,
    record,
    rotating,
    seal,
    slots,
    staged_values,
    system_of,
    tick,
    until,
    works_somewhere,
)


@pytest.mark.parametrize("phase", ["staged", "applied", "promoted"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_target_that_is_down_is_waited_for(strategy: str, phase: str) -> None:
    world = rotating(strategy)
    ask(world)
    until(world, phase)
    system_of(world).down = True
    world.settle()
    tick(world, 700, 5)
    assert record(world).phase == phase
    assert [one[1:] for one in failures(world)] == [("target-unavailable", False)]
    assert world.dead == []
    system_of(world).down = False
    tick(world, 700, 2)
    finished(world)


def test_the_record_keeps_what_the_last_try_said() -> None:
    world = rotating()
    ask(world)
    until(world, "staged")
    system_of(world).down = True
    world.settle()
    known = record(world).trouble
    assert known is not None
    assert (known.reason, known.detail) == ("target-unavailable", f"{system_of(world).name} does not answer")
    system_of(world).down, system_of(world).admin = False, False
    tick(world, 700, 2)
    known = record(world).trouble
    assert known is not None
    assert known.reason == "admin-refused"
    assert "admin" in known.detail
    assert len(known.detail) <= MOST_DETAIL


def test_a_provider_is_asked_by_one_delivery_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = rotating("minted")
    inside: list[PathRef] = []
    minted: list[bool] = []

    @contextmanager
    def turn(path: PathRef) -> Iterator[None]:
        inside.append(path)
        yield
        inside.pop()

    monkeypatch.setattr(world.rotations, "turn", turn)
    system_of(world).before = lambda operation, _: minted.append(inside == [PATH]) if operation == "mint" else None
    ask(world)
    world.settle()
    assert minted
    assert all(minted)
    finished(world)


def test_of_a_paths_first_rotation_no_old_credential_works() -> None:
    world = World()
    system = world.declare(rotation_target())
    system.open_account("app_a", b"nobody-knows")
    system.open_account("app_b", b"nobody-knows")
    world.rotate(rotation("orders/database", PATH.path, strategy="alternating"))
    ask(world)
    until(world, "staged")
    system.down = True
    world.settle()
    (told,) = {one.holds for one in world.said if isinstance(one, RotationFailed)}
    assert (told, holding(record(world))) == ("unknown", "unknown")
    system.down = False
    for phase in ("applied", "promoted"):
        assert holding(replace(record(world), phase=phase)) == "new"
    tick(world, 700, 2)
    assert record(world).phase == "completed"
    assert holding(record(world)) == "new"


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_an_effect_whose_answer_was_lost_is_found() -> None:
    world = rotating()
    ask(world)
    until(world, "staged")
    lost: list[str] = []

    def lose(operation: str, account: str) -> None:
        if operation == "apply" and not lost:
            lost.append(account)
            system_of(world).down = True

    system_of(world).after = lose
    world.deliver(world.queue.popleft())
    system_of(world).down = False
    world.settle()
    finished(world)
    applied = [one for one in system_of(world).changes if one[0] == "apply"]
    assert len(applied) == 1, "what is staged is tried first"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_admin_without_rights_is_told_and_waited_for(strategy: str) -> None:
    world = rotating(strategy)
    ask(world)
    until(world, "staged")
    system_of(world).admin = False
    world.settle()
    tick(world, 700, 3)
    assert failures(world) == [("apply", "admin-refused", False)]
    assert works_somewhere(world, strategy)
    system_of(world).admin = True
    tick(world, 700)
    finished(world)


@pytest.mark.parametrize("phase", ["requested", "staged", "applied", "verified", "promoting", "promoted"])
def test_a_sealed_authority_ends_nothing(phase: str) -> None:
    world = rotating("alternating")
    ask(world)
    sealed = False

    def look(record_phase: str) -> None:
        nonlocal sealed
        if record_phase == phase and not sealed:
            sealed = True
            seal(world, True)

    world.rotations.after = lambda operation, _: look(world.rotations.history[-1].phase if operation == "write" else "")
    for _ in range(60):
        if world.queue:
            world.queue[0].attempts = 0  # the broker holds deliveries to a step that is not ready
            world.deliver(world.queue.popleft())
    assert sealed
    assert login(world, live(world))
    seal(world, False)
    world.settle()
    finished(world)


def test_a_value_that_the_policy_refuses_is_made_anew_once() -> None:
    world = rotating()
    seen: list[bytes] = []
    system_of(world).refuses = lambda value: not seen and not seen.append(value)  # type: ignore[func-returns-value]
    ask(world)
    world.settle()
    finished(world, values=2)
    assert len(staged_values(world)) == 2


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_second_refusal_ends_it_and_the_old_credential_works() -> None:
    world = rotating()
    system_of(world).refuses = lambda value: True
    ask(world)
    world.settle()
    assert failures(world) == [("apply", "target-refused", True)]
    assert login(world, live(world))
    assert slots(world) == []
    (told,) = [event for event in world.said if event.TYPE == "dev.lockstep.rotation.failed"]
    assert "the old credential works" in told.explanation  # type: ignore[attr-defined]
    assert "spec.generator" in told.explanation  # type: ignore[attr-defined]


def test_a_minted_credential_that_nobody_stored_is_discarded() -> None:
    world = rotating("minted")
    ask(world)
    until(world, "staged")
    system_of(world).mint("app", record(world).id)  # minted, and whoever did it died
    world.settle()
    finished(world)
    assert len(system_of(world).accepted("app")) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_late_delivery_about_an_earlier_rotation_does_nothing(strategy: str) -> None:
    world = rotating(strategy)
    ask(world)
    until(world, "staged")
    first = record(world).id
    staged = next(one.received.event for one in world.queue if isinstance(one.received.event, RotationStaged))
    world.settle()
    ask(world)
    until(world, "staged")
    known, changes, said = record(world), list(system_of(world).changes), len(world.said)
    assert known.id != first
    world.queue.clear()
    world.say(staged)
    world.say(PhaseRequested(path=PATH, rotation=first, step="apply", expires=expiry(world.ports), reason="late"))
    looked = len(system_of(world).calls)
    world.settle()
    assert (record(world), system_of(world).changes) == (known, changes)
    assert len(system_of(world).calls) == looked
    assert len(world.said) == said + 2, "something was told"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_delivery_that_slept_over_the_next_rotation_leaves_its_account_alone(strategy: str) -> None:
    world = rotating(strategy)
    ask(world)
    until(world, "staged")
    late = next(one for one in world.queue if one.step.name == "apply")
    slept: list[int] = []

    def sleep(operation: str, _subject: str) -> None:
        if operation == "read" and not slept:
            slept.append(0)
            world.settle()
            ask(world)
            until(world, "staged")
            slept[0] = len(system_of(world).changes)

    world.pending.before = sleep
    world.deliver(type(late)(late.step, late.received))
    assert slept == [len(system_of(world).changes)]
    world.settle()
    assert record(world).phase == "completed"
    assert login(world, live(world))
