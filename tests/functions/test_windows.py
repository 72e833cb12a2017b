"""Change windows: days, nights, zones, and the two nights on which clocks are changed."""

from datetime import UTC, datetime

import pytest

from functions._failures import Reject
from functions._windows import next_opening, parse

NIGHTS = "Mon-Fri 22:00-04:00 Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        (NIGHTS, "2026-01-05T21:30", None),  # Monday, 22:30 in Berlin
        (NIGHTS, "2026-01-05T20:59", "2026-01-05T21:00"),
        (NIGHTS, "2026-01-06T02:59", None),  # it belongs to Monday
        (NIGHTS, "2026-01-06T03:00", "2026-01-06T21:00"),
        (NIGHTS, "2026-01-10T02:00", None),  # Saturday morning of Friday's night
        (NIGHTS, "2026-01-10T03:00", "2026-01-12T21:00"),
        (NIGHTS, "2026-01-05T01:00", "2026-01-05T21:00"),  # Monday morning: Sunday has no night
        ("10:00-11:00", "2026-01-05T10:30", None),
        ("10:00-11:00", "2026-01-05T11:00", "2026-01-06T10:00"),
        ("Sun 00:00-24:00", "2026-01-04T23:59", None),
        ("Sun 00:00-24:00", "2026-01-05T00:00", "2026-01-11T00:00"),
        ("Sat-Mon 08:00-09:00", "2026-01-06T00:00", "2026-01-10T08:00"),
        ("mon,WED 08:00-09:00 UTC; Thu 10:00-10:30", "2026-01-07T09:30", "2026-01-08T10:00"),
        (" ", "2026-01-07T09:30", None),
        # Berlin, 2026-03-29: 02:00 becomes 03:00
        ("Sun 02:30-05:00 Europe/Berlin", "2026-03-29T01:29", "2026-03-29T01:30"),
        ("Sun 02:30-05:00 Europe/Berlin", "2026-03-29T01:30", None),
        ("Sun 01:30-04:00 Europe/Berlin", "2026-03-29T02:00", "2026-04-04T23:30"),
        # Berlin, 2026-10-25: 03:00 becomes 02:00
        ("Sun 02:00-02:30 Europe/Berlin", "2026-10-25T00:00", None),
        ("Sun 02:00-02:30 Europe/Berlin", "2026-10-25T01:29", None),
        ("Sun 02:00-02:30 Europe/Berlin", "2026-10-25T01:30", "2026-11-01T01:00"),
    ],
)
def test_openings(window: str, now: str, opens: str | None) -> None:
    assert next_opening(parse(window), at(now)) == (at(opens) if opens else None)


@pytest.mark.parametrize(
    "text",
    [
        "at night", "22:00", "22:00-22:00", "25:00-26:00", "Mon 22:00-04:00 Mars/Olympus", "Foo 22:00-23:00",
        "Mon- 22:00-23:00", "Mon 22:00-23:00 ../../etc/passwd", "Mon 22:00-23:00 Europe", "24:00-01:00", "x" * 600,
        "Mon 22:00-23:00; never",
    ],
)  # fmt: skip
def test_what_is_no_window_says_how_to_write_one(text: str) -> None:
    with pytest.raises(Reject, match="Mon-Fri 22:00-04:00 Europe/Berlin"):
        parse(text)
