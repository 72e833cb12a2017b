"""Moving a rotation on: its record with its reminder, and what becomes of a look that cannot do its part now."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from events.event import Event
from events.references import PathRef
from events.rotation import PhaseRequested, RotationId, StepName
from events.schedule import ScheduleTicked
from functions._failures import Conflict, Retry
from functions._orders import expiry
from functions._ports import Ports
from functions._reminding import whole_minute, written_with
from functions._rotation_facts import MOST_DETAIL, TOLD, failed, turn_of
from functions._rotation_naming import path_of, text_of
from functions._rotations import ENDED, Phase, Record, Trouble
from functions._workloads import Reminder

SCHEDULE = "rotations"  # its ticks emit what is due
SOON = timedelta(minutes=1)
LATER = timedelta(minutes=10)
ATTEMPTS = 4
QUICK = 3  # tries that the broker's retries carry, before a reminder does

_BACK: tuple[Phase, ...] = ("requested", "staged", "applied", "aborting", "withdrawing")  # phases one may return to

Events = tuple[Event, ...]
Act = Callable[[Record], Events]


class Stuck(Exception):
    """The phase cannot go on now. `passing`: it may soon, or `after` so many seconds. `until`: not before then."""

    def __init__(
        self, reason: str, detail: str, *, passing: bool = False, after: float | None = None,
        until: datetime | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.reason, self.detail, self.passing, self.after, self.until = reason, detail, passing, after, until


class GivenUp(Exception):
    """The rotation cannot be carried out, and is taken back."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def look(
    step: StepName, path: PathRef, rotation: RotationId | None, ports: Ports, act: Act, *, asked: bool = True
) -> Events:  # fmt: skip
    """Have a step act on the record as it is now; `rotation` is the one that the event was about (None: any).

    `asked`: the event is about the rotation, and whoever finds nothing to do passes it on.
    """
    for _ in range(ATTEMPTS):
        record = ports.rotations.read(path)
        if record is None or rotation not in (None, record.id):
            return ()
        try:
            return acted(step, record, ports, act) or (_passed_on(step, record, ports) if asked else ())
        except Conflict:
            continue  # somebody moved between our read and our write: read everything again
    raise Retry(f"the rotation of {path} moves faster than it can be compared and set")


def _passed_on(step: StepName, record: Record, ports: Ports) -> Events:
    """Whose turn it is, where a step finds nothing to do: whoever moved the record back may have died before saying."""
    if record.phase not in _BACK or turn_of(record) == step:
        return ()
    return (ask(record, ports),)


def acted(step: StepName, record: Record, ports: Ports, act: Act) -> Events:
    """What came of it; what cannot go on is put off or given up. Raises Conflict, Retry."""
    try:
        return act(record)
    except Stuck as stuck:
        return _put_off(step, _same(record, ports), stuck, ports)
    except GivenUp as over:
        return give_up(step, _same(record, ports), over.reason, ports)


def advance(record: Record, phase: Phase, ports: Ports, *, at: datetime | None = None, **changes: object) -> Record:
    """The record in its next phase, with what is known now. Raises Conflict."""
    moved = replace(record, phase=phase, entered=ports.clock.now(), trouble=None, **changes)  # type: ignore[arg-type]  # names of Record's own fields
    return keep(moved, record, at, ports)


def keep(record: Record, known: Record | None, at: datetime | None, ports: Ports) -> Record:
    """Write the record with a reminder to look at or after `at` (None: none is needed). Raises Conflict."""
    due = whole_minute(at) if at is not None else None
    wanted = replace(record, due=due)
    if known is not None and wanted == known:
        return known
    former = _reminder(known) if known is not None else None
    return written_with(_reminder(wanted), former, ports, lambda: ports.rotations.write(wanted))


def check_unmoved(record: Record, ports: Ports) -> None:
    """The last look before a target is told anything: whoever is late leaves accounts alone. Raises Conflict."""
    newest = ports.rotations.read(record.path)
    if newest is None or newest.revision != record.revision:
        raise Conflict(f"the rotation of {record.path} moved")


def give_up(step: StepName, record: Record, reason: str, ports: Ports) -> Events:
    """Begin to take back what was done; what was promoted already is never taken back. Raises Conflict."""
    record = advance(record, "aborting", ports, ending=f"{step}:{reason}")
    return (ask(record, ports),)


def ask(record: Record, ports: Ports, step: StepName | None = None, reason: str = "it is its turn") -> PhaseRequested:
    """Have the step whose turn it is look again."""
    return PhaseRequested(
        path=record.path, rotation=record.id, step=step or turn_of(record), expires=expiry(ports), reason=reason
    )


def ticked(step: StepName, event: ScheduleTicked, ports: Ports) -> Iterator[Record]:
    """The records that the step's reminders are due for; reminders that nobody waits for are removed."""
    if event.schedule.name != SCHEDULE:
        return
    for reminder in ports.reminders.due(step, ports.clock.now()):
        path = path_of(reminder.subject)
        record = ports.rotations.read(path) if path is not None else None
        if record is not None and _reminder(record) == reminder:
            yield record
        else:
            ports.reminders.remove(reminder)


def _put_off(step: StepName, record: Record, stuck: Stuck, ports: Ports) -> Events:
    """Wait without retrying: a record and a reminder; told once for each reason."""
    known = record.trouble if record.trouble is not None and record.trouble.reason == stuck.reason else None
    trouble = Trouble(stuck.reason, ports.clock.now()) if known is None else replace(known, tries=known.tries + 1)
    trouble = replace(trouble, detail=stuck.detail[:MOST_DETAIL])
    quick = stuck.passing and trouble.tries <= QUICK
    waited = replace(record, trouble=trouble)
    keep(waited, record, stuck.until or ports.clock.now() + _pause(trouble.tries), ports)
    if quick:
        raise Retry(stuck.detail, after=max(stuck.after or 0.0, float(2 ** (trouble.tries - 1))))
    if trouble.told or stuck.reason not in TOLD:
        return ()
    return (failed(waited, step, stuck.reason, stuck.detail, ended=False),)


def _pause(tries: int) -> timedelta:
    doubled: int = 1 << min(max(tries - QUICK - 1, 0), 8)
    return min(SOON * doubled, LATER)


def _same(record: Record, ports: Ports) -> Record:
    """The record as the step itself may have written it since. Raises Conflict where somebody else moved it."""
    newest = ports.rotations.read(record.path)
    if newest is None or (newest.id, newest.phase) != (record.id, record.phase) or newest.phase in ENDED:
        raise Conflict(f"the rotation of {record.path} moved")
    return newest


def _reminder(record: Record) -> Reminder | None:
    return Reminder(record.due, turn_of(record), text_of(record.path)) if record.due is not None else None
