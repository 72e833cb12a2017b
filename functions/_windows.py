"""Change windows: `Mon-Fri 22:00-04:00 Europe/Berlin`, several joined by `;`.

Times are the wall's: a window that ends before it begins ends on the next day, and belongs to the day on which it
begins. Where clocks are put forward, a time that does not exist is the moment it would have been; where they are put
back, a window begins at the first of the two and ends at the second. Without a zone it is UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NoReturn

from functions._failures import Reject

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[A-Za-z,-]+) +)?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)(?: +(?P<zone>[-A-Za-z0-9_+/]+))?"
)
_LONGEST = 512
_SHAPE = "write it as 'Mon-Fri 22:00-04:00 Europe/Berlin' (several joined by ';'), or take it away"


@dataclass(frozen=True, slots=True)
class Window:
    """One weekly window. `end` is None for midnight at the end of the day."""

    days: frozenset[int]  # of the week, Monday is 0
    begin: time
    end: time | None
    zone: tzinfo

    def openings(self, around: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it opens and closes, from the day before `around` to the week after, in UTC."""
        today = around.astimezone(self.zone).date()
        for ahead in range(-1, 9):
            day = today + timedelta(days=ahead)
            if day.weekday() not in self.days:
                continue
            opens = self._moment(day, self.begin, fold=0)
            overnight = self.end is None or self.end <= self.begin
            closes = self._moment(day + timedelta(days=1) if overnight else day, self.end or time(), fold=1)
            if opens < closes:  # not so where clocks jump over all of it
                yield opens, closes

    def _moment(self, day: date, wall: time, *, fold: int) -> datetime:
        return datetime.combine(day, wall.replace(fold=fold), self.zone).astimezone(UTC)


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[Window, ...]:
    """The windows of an annotation; none for a blank one: always. Raises Reject saying how to write one."""
    if len(text) > _LONGEST:
        raise Reject(f"a restart window of {len(text)} characters; {_SHAPE}")
    return tuple(_window(part.strip()) for part in text.split(";") if part.strip())


def next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """None while one of them is open, or there is none; else when the first of them opens next."""
    if not windows:
        return None
    times = [times for window in windows for times in window.openings(now)]
    if any(opens <= now < closes for opens, closes in times):
        return None
    return min((opens for opens, _ in times if opens > now), default=now + timedelta(days=7))


def _window(text: str) -> Window:
    found = _WINDOW.fullmatch(text)
    if found is None:
        _refuse(text)
    begin, end = _time(found["begin"], text), None if found["end"] == "24:00" else _time(found["end"], text)
    if begin == end:
        _refuse(text)
    return Window(_weekdays(found["days"], text), begin, end, _zone(found["zone"], text))


def _weekdays(text: str | None, whole: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            _refuse(whole)
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update(day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1))
    return frozenset(days)


def _time(text: str, whole: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        _refuse(whole)


def _zone(name: str | None, whole: str) -> tzinfo:
    if name is None or name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # here: few windows name a zone, and zones take time to load

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone; no name of one; a folder of zones
        _refuse(whole)


def _refuse(text: str) -> NoReturn:
    raise Reject(f"restart window {text[:80]!r} is none; {_SHAPE}")
