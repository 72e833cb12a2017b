"""verify: what is applied and lets nobody in, and what was staged and is gone."""

import pytest

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
