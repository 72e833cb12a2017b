"""Records of restarts with their reminders, and what is told of them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from events.consumer import ConsumerAdopted, ConsumerRestarted, ConsumerStuck, WorkloadRef
from events.errors import EventError
from functions._marks import RESTART_WINDOW, RESTARTED_FOR
from functions._ports import Ports
from functions._reminding import whole_minute, written_with
from functions._workloads import Reminder, Rollout, Workload

SCHEDULE = "rollouts"  # its ticks emit what is due
SOON = timedelta(minutes=1)
LATER = timedelta(minutes=10)

_ADVICE: dict[str, str] = {
    "reverted": (
        f"somebody took the restart back from its pod template; let them leave the annotation {RESTARTED_FOR} alone "
        "(Argo CD: ignoreDifferences), and restart it by hand"
    ),
    "on-delete": "its update strategy is OnDelete; delete its pods one by one, and they begin with the new value",
    "partitioned": "the partition of its update strategy keeps older pods; lower it, or delete those pods",
    "paused": "its rollout is paused; resume it (`kubectl rollout resume`), and it is restarted",
    "bad-window": f"its annotation {RESTART_WINDOW} is no window; write it as 'Mon-Fri 22:00-04:00 Europe/Berlin'",
    "deadline-exceeded": "its controller gave up on the rollout; see `kubectl rollout status` and its pods",
    "crash-looping": "its new pods crash; see their logs, and whether the new value is right",
    "timed-out": "its rollout does not complete; see its pods (`kubectl describe`)",
}
Stuck = Literal[
    "reverted", "on-delete", "partitioned", "paused", "bad-window", "deadline-exceeded", "crash-looping", "timed-out"
]


def keep(record: Rollout, known: Rollout | None, at: datetime | None, ports: Ports) -> Rollout:
    """Write the record with a reminder to look at or after `at` (None: none is needed). Raises Conflict."""
    due = whole_minute(at) if at is not None else None
    wanted = replace(record, due=due)
    if known is not None and wanted == known:
        return known
    former = _reminder(known) if known is not None else None
    return written_with(_reminder(wanted), former, ports, lambda: ports.rollouts.write(wanted))


def forget(known: Rollout, ports: Ports) -> None:
    """Remove the record and its reminder. Raises Conflict."""
    ports.rollouts.remove(known)
    if reminder := _reminder(known):
        ports.reminders.remove(reminder)


def reminded(step: str, ports: Ports) -> tuple[Rollout, ...]:
    """The records that the step's reminders are due for; reminders that nobody waits for are removed."""
    found = []
    for reminder in ports.reminders.due(step, ports.clock.now()):
        record = _record(reminder, ports)
        if record is not None and _reminder(record) == reminder:
            found.append(record)
        else:
            ports.reminders.remove(reminder)
    return tuple(found)


def reverted(record: Rollout, workload: Workload) -> bool:
    """Whether the restart that we recorded was taken back: its digest is gone, and not because it never came.

    A restart changes the generation; a record of one that has the generation of before was never carried out.
    """
    return _gone(record, workload) and record.generation != workload.generation


def unfulfilled(record: Rollout, workload: Workload) -> bool:
    """Whether somebody died between recording a restart and restarting."""
    return _gone(record, workload) and record.generation == workload.generation


def told_restarted(record: Rollout) -> ConsumerRestarted:
    return ConsumerRestarted.model_validate(_said(record))


def told_adopted(record: Rollout, evidence: str) -> ConsumerAdopted:
    return ConsumerAdopted.model_validate({**_said(record), "evidence": evidence})


def told_stuck(record: Rollout, detail: str = "") -> ConsumerStuck:
    explanation = f"{record.workload}: {_ADVICE[record.reason]}{f' ({detail})' if detail else ''}"
    return ConsumerStuck.model_validate({**_said(record), "reason": record.reason, "explanation": explanation[:512]})


def _said(record: Rollout) -> dict[str, object]:
    return {
        "workload": record.workload,
        "seen": record.uid,
        "digest": record.digest,
        "secrets": {name: dict(stamp) for name, stamp in record.stamps.items()},
    }


def _gone(record: Rollout, workload: Workload) -> bool:
    restarted = record.generation > 0 and record.state != "waiting" and record.uid == workload.uid
    return restarted and workload.restarted_for != record.digest


def _reminder(record: Rollout) -> Reminder | None:
    if record.due is None:
        return None
    return Reminder(record.due, "restart" if record.state == "waiting" else "adopted", record.workload.subject)


def _record(reminder: Reminder, ports: Ports) -> Rollout | None:
    try:
        ref = WorkloadRef.parse(reminder.subject)
    except EventError:
        return None
    return ports.rollouts.read(ref)
