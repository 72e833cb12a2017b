"""One suite for `Clock`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from functions._ports import Clock
from infra.hosts.wiring import SystemClock
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize("make", [FakeClock, SystemClock])
def test_a_time_is_aware_and_utc(make: Callable[[], Clock]) -> None:
    first, second = make().now(), make().now()
    assert first.utcoffset() == timedelta(0)
    assert first <= second


def test_the_machines_clock_is_the_machines() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)


def test_the_fake_moves_when_told_to_backwards_too() -> None:
    clock = FakeClock()
    start = clock.now()
    clock.advance(-60)
    assert clock.now() == start - timedelta(seconds=60)
