"""verify: what is applied and lets nobody in, and what was staged and is gone."""

import pytest

from functions._failures import Retry, Unavailable
from functions._rotation_records import QUICK
from functions._systems import Credential
from functions.verify import STEP
from tests.fakes.world import World
from tests.functions.rotating import (
    FIRST,
    PATH,
    STRATEGIES,
    ask,
    failures,
    finished,
    live,
    login,
    rotating,
    system_of,
    until,
)


def test_a_single_users_base_is_applied_again_where_the_new_value_lets_nobody_in() -> None:
    world = rotating()
    system = system_of(world)
    original, ask_before = system.works, system.accepted("app")
    system.works = lambda credential: original(credential) and credential.fields["password"].reveal() in ask_before  # type: ignore[method-assign]
    ask(world)
    world.settle()
    assert failures(world)[-1] == ("verify", "not-accepted", True)
    assert login(world, live(world))
    assert system.accepted("app") == (FIRST,)


def test_what_was_staged_and_is_gone_ends_it() -> None:
    for strategy in STRATEGIES:
        world = rotating(strategy)
        ask(world)
        until(world, "applied")
        world.pending.lose(PATH)
        world.settle()
        assert failures(world)[-1] == ("verify", "staged-lost", True)
        assert login(world, live(world)), strategy
        assert len(system_of(world).accepted("app_a" if strategy == "alternating" else "app")) == 1, strategy


@pytest.mark.parametrize(("policy", "phase"), [("planned", "verified"), ("leak", "promoting")])
def test_what_answers_a_leak_is_not_given_up_any_more_once_it_works(policy: str, phase: str) -> None:
    world = rotating()
    ask(world, policy)
    until(world, phase)
    phases = [one.phase for one in world.rotations.history]
    assert phases[-2:] == ["applied", phase]
    world.settle()
    finished(world)


def test_what_the_target_asks_to_wait_is_waited() -> None:
    world = rotating("minted")
    system = system_of(world)
    ask(world)
    until(world, "applied")

    def young(credential: Credential) -> bool:
        raise Unavailable(system.name, "the new key is perhaps not known everywhere yet", after=8.0)

    system.works, works = young, system.works  # type: ignore[method-assign]
    asked = []
    for _ in range(QUICK):
        with pytest.raises(Retry) as waiting:
            deliver(world)
        asked.append(waiting.value.after)
    assert asked == [8.0, 8.0, 8.0], "and no reminder, which would come a minute later"
    system.works = works  # type: ignore[method-assign]
    world.settle()
    finished(world)
    assert failures(world) == []


def deliver(world: World) -> None:
    """What verify is given next, as a host would call it."""
    tuple(STEP.handle(next(one.received.event for one in world.queue if one.step is STEP), world.ports))
