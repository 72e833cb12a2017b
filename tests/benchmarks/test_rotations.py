"""What the benchmarks of rotations reckon with, without a server."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import accepted
from benchmarks.floor_swap import swap
from benchmarks.rotated import Rotated, mounted
from benchmarks.rotation_storm import most_at_once
from benchmarks.secret_files import write_secret
from benchmarks.swaps import Swaps
from examples.postgres.database import Credential

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def span(begun: float, ended: float) -> tuple[datetime, datetime]:
    return BEGAN + timedelta(seconds=begun), BEGAN + timedelta(seconds=ended)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([span(0, 1)], 1),
        ([span(0, 1), span(1, 2)], 1),
        ([span(0, 3), span(1, 2), span(1.5, 4), span(3.5, 5)], 3),
    ],
)
def test_how_many_are_under_way_at_once(spans: list[tuple[datetime, datetime]], expected: int) -> None:
    assert most_at_once(spans) == expected
    assert most_at_once(spans[::-1]) == expected


def test_moments_of_events_after_a_number(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "broker.db") as database:
        database.execute("CREATE TABLE event(seq INTEGER PRIMARY KEY, type TEXT, accepted INTEGER)")
        for number, kind in enumerate(("leak.reported", "leak.confirmed", "leak.reported", "leak.contained")):
            database.execute("INSERT INTO event VALUES (?, ?, ?)", (number, f"dev.lockstep.{kind}", number * 500_000))
    database.close()
    assert accepted.newest(tmp_path) == 3
    assert accepted.moments(tmp_path, 0) == {
        "leak.confirmed": [0.5], "leak.reported": [1.0], "leak.contained": [1.5],
    }  # fmt: skip


def test_another_value_is_waited_for_at_every_consumer(tmp_path: Path) -> None:
    targets = [tmp_path / "a", tmp_path / "b"]
    swaps = Swaps(targets)
    for target in targets:
        write_secret(target, {"username": "one", "password": "first"})
    swaps.drain()
    for target in targets:
        swap(target, {"username": "two", "password": "second"})
    assert swaps.wait_for_another("first", "password") > 0
    assert [mounted(target) for target in targets] == [Credential("two", "second")] * 2
    swaps.close()


def test_names_of_what_is_rotated(tmp_path: Path) -> None:
    one = Rotated("orders", ("a", "b"), ("shop",))
    assert (one.path, one.subject) == ("bench-shop/orders", "bench-shop/orders")
    assert one.targets(tmp_path) == [tmp_path / "namespaces" / "shop" / "orders"]
