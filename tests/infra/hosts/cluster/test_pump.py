"""Rung many times it works seldom, after the last ring at least once, and until it worked."""

import threading
from collections.abc import Iterator

import pytest

from infra.hosts.cluster.pump import Pump
from tests.infra.hosts.cluster.conftest import DEADLINE, until


class Action:
    """Counts; may be held up, and may fail."""

    def __init__(self) -> None:
        self.done = 0
        self.failures = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> None:
        assert self.gate.wait(DEADLINE)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("canary-7f3a")
        self.done += 1


@pytest.fixture
def action() -> Action:
    return Action()


@pytest.fixture
def pump(action: Action) -> Iterator[Pump]:
    made = Pump(action, "test pump", settle=0.0)
    yield made
    action.gate.set()
    made.stop()
    assert made.mode == "stopped"


def test_rung_before_the_start(pump: Pump, action: Action) -> None:
    pump.ring()
    pump.start()
    assert pump.wait_first(DEADLINE)
    assert action.done == 1


def test_rings_during_the_action_are_one_more_round(pump: Pump, action: Action) -> None:
    action.gate.clear()
    pump.start()
    for _ in range(100):
        pump.ring()
    action.gate.set()
    until(lambda: action.done >= 1)
    assert action.done <= 2


def test_done_again_until_it_works(pump: Pump, action: Action) -> None:
    action.failures = 2
    pump.start()
    pump.ring()
    assert pump.wait_first(DEADLINE)
    assert "RuntimeError" in str(pump.last_error)
    assert "canary" not in str(pump.last_error)
    until(lambda: action.done == 1)
    until(lambda: pump.last_error is None)
