"""Ticks: every shard in turn, whatever goes wrong with one, on the machine's monotonic clock."""

import threading
from collections.abc import Callable

import pytest

from events.envelope import issue
from events.schedule import ScheduleTicked
from infra.hosts.schedules import Schedule, Ticker
from tests.fakes.clock import FakeClock
from tests.infra.hosts.steps import NOW

PATIENCE = 20.0


class Heard:
    """Collects ticks, and fails for the first few."""

    def __init__(self, failing: int = 0, wanted: int = 1) -> None:
        self.ticks: list[ScheduleTicked] = []
        self.failed = 0
        self._failing = failing
        self._wanted = wanted
        self.enough = threading.Event()

    def __call__(self, tick: ScheduleTicked) -> None:
        if self.failed < self._failing:
            self.failed += 1
            raise RuntimeError("canary")
        self.ticks.append(tick)
        if len(self.ticks) >= self._wanted:
            self.enough.set()


def ticker(heard: Heard, shards: Callable[[], int] = lambda: 1, wanted: Callable[[], bool] = lambda: True) -> Ticker:
    return Ticker(Schedule("sweep", 0.001, shards), heard, FakeClock().now, wanted)


def shards_of(heard: Heard) -> list[tuple[int, int]]:
    return [(tick.shard, tick.shards) for tick in heard.ticks]


def test_a_round_ticks_every_shard_once() -> None:
    heard = Heard()
    ticker(heard, lambda: 3).round()
    assert shards_of(heard) == [(0, 3), (1, 3), (2, 3)]


def test_every_shard_gets_its_turn_and_a_changed_number_counts_at_once() -> None:
    heard, count = Heard(), [3]
    made = ticker(heard, lambda: count[0])
    for _ in range(4):
        made.tick()
    count[0] = 2
    for _ in range(3):
        made.tick()
    assert shards_of(heard) == [(0, 3), (1, 3), (2, 3), (0, 3), (1, 2), (0, 2), (1, 2)]


def test_ticks_of_one_moment_are_apart() -> None:
    heard = Heard()
    ticker(heard, lambda: 3).round()
    ids = {issue(tick, source="/x", now=NOW).id for tick in heard.ticks}
    assert len(ids) == 3


def test_it_ticks_by_itself_until_it_is_stopped() -> None:
    heard = Heard(wanted=5)
    made = ticker(heard, lambda: 2)
    made.start()
    assert heard.enough.wait(PATIENCE)
    made.stop()
    count = len(heard.ticks)
    assert not threading.Event().wait(0.02)
    assert len(heard.ticks) == count


def test_a_failing_tick_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard(failing=3)
    made = ticker(heard)
    made.start()
    assert heard.enough.wait(PATIENCE)
    made.stop()
    assert heard.failed == 3
    assert "a tick of sweep failed with RuntimeError" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("what", ["shards", "wanted"])
def test_whatever_it_asks_may_fail(what: str) -> None:
    heard, failures = Heard(), [3]

    def sometimes() -> int:
        if failures[0]:
            failures[0] -= 1
            raise OSError("canary")
        return 1

    made = ticker(heard, sometimes) if what == "shards" else ticker(heard, wanted=lambda: bool(sometimes()))
    made.start()
    assert heard.enough.wait(PATIENCE)
    made.stop()


def test_nothing_is_ticked_while_it_is_not_wanted() -> None:
    heard, asked = Heard(), threading.Event()

    def unwanted() -> bool:
        asked.set()
        return False

    made = ticker(heard, wanted=unwanted)
    made.start()
    assert asked.wait(PATIENCE)
    made.stop()
    assert heard.ticks == []


def test_stopping_what_never_started() -> None:
    ticker(Heard()).stop()
