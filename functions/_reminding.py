"""A record and its reminder, kept together: waiting is not retrying (DESIGN, "Time, capacity, fan-out")."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from functions._workloads import Reminder, Reminders

Written = TypeVar("Written")


def whole_minute(moment: datetime) -> datetime:
    """The next whole minute, never an earlier one."""
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)


def written_with(
    wanted: Reminder | None, former: Reminder | None, reminders: Reminders, write: Callable[[], Written]
) -> Written:  # fmt: skip
    """What `write` gives, with the record's reminder in place of the former one. Raises what `write` does.

    The reminder is set before and the former one removed after: dying between them leaves one too many, which goes
    when it comes due.
    """
    if wanted is not None and wanted != former:
        reminders.set(wanted)
    written = write()
    if former is not None and former != wanted:
        reminders.remove(former)
    return written
