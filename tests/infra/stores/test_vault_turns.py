"""Turns of one process: one after another for a name, beside each other for two, and never for ever."""

import threading

import pytest

from infra.stores.vault.turns import Turns


def test_one_after_another_with_what_was_left() -> None:
    turns, inside, most = Turns(), 0, 0

    def count() -> None:
        nonlocal inside, most
        for _ in range(200):
            with turns.of("a") as turn:
                inside += 1
                most = max(most, inside)
                turn.left = (turn.left or 0) + 1
                inside -= 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with turns.of("a") as turn:
        assert (turn.left, most) == (800, 1)


def test_names_do_not_wait_for_each_other() -> None:
    turns = Turns()
    with turns.of("a") as one, turns.of("b") as other:
        one.left = 1
        assert other.left is None


def test_whoever_waited_long_enough_goes_on_with_nothing() -> None:
    turns = Turns(patience=0.01)
    with turns.of("a") as first:
        first.left = "known"
        with turns.of("a") as second:
            assert second.left is None
            second.left = "of nobody else"
    with turns.of("a") as third:
        assert third.left == "known"


def test_a_turn_that_failed_is_over() -> None:
    turns = Turns(patience=0.01)
    with pytest.raises(ZeroDivisionError), turns.of("a") as turn:
        turn.left = 1 // 0
    with turns.of("a") as turn:
        assert turn.left is None
        turn.left = 1
    with turns.of("a") as turn:
        assert turn.left == 1


def test_names_that_nobody_wants_and_that_hold_nothing_are_forgotten() -> None:
    turns = Turns()
    for number in range(100):
        with turns.of(str(number)):
            pass
    assert turns.names() == ()
    with turns.of("kept") as turn:
        turn.left = 1
    assert turns.names() == ("kept",)
