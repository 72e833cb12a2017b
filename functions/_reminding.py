"""A record and its reminder, kept together: waiting is not retrying (DESIGN, "Time, capacity, fan-out")."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from functions._ports import Beside, Ports
from functions._workloads import Reminder

Written = TypeVar("Written")
Work = Callable[[], object]


def whole_minute(moment: datetime) -> datetime:
    """The next whole minute, never an earlier one."""
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)


def written_with(
    wanted: Reminder | None, former: Reminder | None, ports: Ports, write: Callable[[], Written],
    before: Iterable[Work] = (),
) -> Written:  # fmt: skip
    """What `write` gives, with the record's reminder in place of the former one. Raises what `write` does.

    The reminder is set before and the former one removed after: dying between them leaves one too many, which goes
    when it comes due. `before` are other writes that the record relies on, made beside the reminder's.
    """
    works = list(before)
    if wanted is not None and wanted != former:
        works.append(partial(ports.reminders.set, wanted))
    together(works, ports.beside)
    written = write()
    if former is not None and former != wanted:
        ports.reminders.remove(former)
    return written


def together(works: Sequence[Work], beside: Beside) -> None:
    """Do all of these side by side. Raises what one of them raised, when all have ended."""
    with ExitStack() as asked:
        others = [asked.enter_context(beside(work)) for work in works[1:]]
        for work in works[:1]:
            work()
        for other in others:
            other()
