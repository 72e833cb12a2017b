"""Records of findings with their timeline and reminder, and the facts that are told of them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from events.event import Event
from events.leak import Exposure, LeakConfirmed, LeakContained, LeakDismissed, LeakHeld, LeakReported
from functions._failures import Reject
from functions._leak_standing import stopped
from functions._leaks import Happened, Happening, Leak
from functions._ports import Ports
from functions._reminding import Work, together, whole_minute, written_with
from functions._workloads import Reminder

SCHEDULE = "rotations"  # its ticks look at what waits
SOON = timedelta(minutes=1)
LATER = timedelta(minutes=10)
DISMISSED = "dismissed"  # whose reminders say until when what triage dismissed is kept
KEPT, KEPT_BY_ORDER = timedelta(days=7), timedelta(days=90)  # of what triage dismissed, and of what an operator did
LINES = 200  # of a timeline; what is told again and again is not written again and again
REPORTERS = 32
MISSING = 20  # sentences of what is missing; what is more is told when these are done
_EXPLANATION = 512

Step = Literal["triage", "contain"]
_HELD = {
    "needs-confirmation": "it waits for an operator: `lockstep leak confirm` has it rotated, `leak dismiss` closes it",
    "budget": (
        "as many secrets as may be rotated in an hour for reports were; it goes on by itself when there is room, "
        "and `lockstep leak confirm` has it go on at once"
    ),
    "suspended": "writing is suspended; resume it, or let the Rotation's leak.overrideSuspension say that it may",
}
_DISMISSED = {
    "unknown": "nothing that is wired here is at this path, or has this fingerprint",
    "configuration": "what stands there is configuration, not a secret",
    "policy": "the leak policy of its Rotation is to ignore reports",
    "operator": "an operator said that it is no leak",
}
_STANDING = {
    "rotating": "is being rotated at once",
    "revoked": "was revoked already",
    "owner": (
        "cannot be replaced by Lockstep: its owner must make a new one at its source, have the old one refused, and "
        "say so with `lockstep leak attest`"
    ),
    "held": "waits",
    "ignored": "is left alone by its leak policy",
}


def begun(event: LeakReported, ports: Ports) -> Leak:
    """The record of a finding that nobody reported before."""
    now = ports.clock.now()
    return Leak(
        id=event.leak, reporters=(event.reporter,), via=event.via, noticed=min(event.noticed, now), received=now,
        detector=event.detector, place=event.place, path=event.path, key=event.key, version=event.version,
        fingerprint=event.fingerprint, resolved=now if event.status == "resolved" else None,
        timeline=(Happening(now, "reported", event.reporter, event.detector),),
    )  # fmt: skip


def heard(leak: Leak, event: LeakReported, ports: Ports) -> Leak:
    """The record after it was told again: who else saw it, and whether it is seen no more. Equal where that is old.

    Raises Reject for somebody else's report of something else: senders choose ids, and nobody must be able to have
    what others may set going done to a secret that those never named, or to swallow what they are about to report.
    """
    now = ports.clock.now()
    if event.reporter not in leak.reporters and leak.match != "operator" and _about(event) != _about(leak):
        raise Reject(f"leak {leak.id} is about something else; report this one under an id of its own")
    if event.reporter not in leak.reporters and len(leak.reporters) < REPORTERS:
        leak = replace(leak, reporters=(*leak.reporters, event.reporter))
        leak = happened(leak, "reported", event.reporter, ports, event.detector)
    if event.status == "resolved" and leak.resolved is None:
        leak = happened(replace(leak, resolved=now), "resolved", event.reporter, ports)
    elif event.status == "firing" and leak.state == "confirmed":
        leak = _repeated(leak, event.reporter, ports)
    return leak


def _repeated(leak: Leak, reporter: str, ports: Ports) -> Leak:
    """Somebody gave its rotation up, and it is told again: that is recorded, and does not begin it anew."""
    for one, record in stopped(leak, ports.rotations.read):
        if record.phase == "aborted":
            leak = noted(leak, "stopped", "triage", ports, f"{one.path}: rotation {record.attempt} was given up")
            leak = noted(leak, "reported", reporter, ports, f"again, after rotation {record.attempt} was given up")
    return leak


def noted(leak: Leak, what: Happened, by: str, ports: Ports, detail: str) -> Leak:
    """As `happened`, once for all that is told of it."""
    known = any((line.what, line.detail) == (what, detail) for line in leak.timeline)
    return leak if known else happened(leak, what, by, ports, detail)


def dismissed_until(leak: Leak, ports: Ports) -> datetime:
    """Until when it is kept; a whole day, so that who looks for the oldest looks at few."""
    kept = KEPT_BY_ORDER if leak.dismissed == "operator" else KEPT
    day = (ports.clock.now() + kept).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1)


def _about(said: Leak | LeakReported) -> tuple[object, ...]:
    return said.path, said.key, said.version, said.fingerprint


def happened(leak: Leak, what: Happened, by: str, ports: Ports, detail: str = "") -> Leak:
    """The record with one more line. What its last line says already is not said again."""
    last = leak.timeline[-1] if leak.timeline else None
    if last is not None and (last.what, last.by, last.detail) == (what, by, detail):
        return leak
    if len(leak.timeline) >= LINES and what != "contained":
        return leak
    return replace(leak, timeline=(*leak.timeline, Happening(ports.clock.now(), what, by, detail[:_EXPLANATION])))


def keep(leak: Leak, known: Leak | None, at: datetime | None, ports: Ports, before: Iterable[Work] = ()) -> Leak:
    """Write the record with a reminder to look at or after `at` (None: none is needed). Raises Conflict.

    `before` are other writes that the record relies on, made beside the reminder's.
    """
    leak = replace(leak, due=whole_minute(at) if at is not None else None)
    if leak == known:
        together(tuple(before), ports.beside)
        return leak
    former = reminder_of(known) if known is not None else None
    return written_with(reminder_of(leak), former, ports, lambda: ports.leaks.write(leak), before)


def reminded(step: Step, ports: Ports) -> tuple[Leak, ...]:
    """The findings that the step is to look at now; reminders that nobody waits for are removed."""
    found = []
    for reminder in ports.reminders.due(step, ports.clock.now()):
        leak = ports.leaks.read(reminder.subject.removeprefix("leaks/"))
        if leak is not None and reminder_of(leak) == reminder:
            found.append(leak)
        else:
            ports.reminders.remove(reminder)
    return tuple(found)


def reminder_of(leak: Leak) -> Reminder | None:
    if leak.due is None:
        return None
    if leak.state == "dismissed" and leak.dismissed != "operator":
        return Reminder(leak.due, DISMISSED, leak.subject)
    # Whoever has still to decide, or is not known to have been heard, looks first.
    followed = leak.state == "contained" or (leak.state == "confirmed" and leak.told and not leak.held)
    step: Step = "contain" if followed else "triage"
    return Reminder(leak.due, step, leak.subject)


def said(leak: Leak) -> tuple[Event, ...]:
    """The facts that the record stands for now; the same each time. Containment is told by who proves it."""
    facts: list[Event] = []
    if leak.state in ("confirmed", "contained"):
        facts.append(_confirmed(leak))
    if leak.held:
        facts.append(_held(leak))
    if leak.state == "dismissed":
        facts.append(_dismissed(leak))
    return tuple(facts)


def underway(leak: Leak) -> tuple[str, ...]:
    """What it lacks while the rotations begin that are asked for along with its confirmation."""
    return tuple(
        f"{one.path}: its rotation away from version {one.version} was asked for"
        for one in leak.exposures
        if one.standing == "rotating"
    )[:MISSING]


def contained(leak: Leak) -> LeakContained:
    proof = "attested" if leak.attested_by else "refused"
    return LeakContained.model_validate(
        {
            "leak": leak.id, "reporter": leak.reporters[0], "paths": leak.paths, "noticed": leak.noticed,
            "contained": leak.contained, "proof": proof,
        }
    )  # fmt: skip


def explained(exposures: tuple[Exposure, ...]) -> str:
    """How they stand, for people."""
    said = "; ".join(f"{one.path} version {one.version} {_STANDING[one.standing]}" for one in exposures)
    return said if len(said) <= _EXPLANATION else f"{said[: _EXPLANATION - 1]}…"


def _confirmed(leak: Leak) -> LeakConfirmed:
    exposures = tuple(one for one in leak.exposures if one.standing != "held")
    return LeakConfirmed.model_validate(
        {
            "leak": leak.id, "reporter": leak.reporters[0], "match": leak.match, "exposures": exposures,
            "by": leak.decided_by, "explanation": explained(exposures),
        }
    )  # fmt: skip


def _held(leak: Leak) -> LeakHeld:
    exposures = tuple(one for one in leak.exposures if one.standing == "held")
    return LeakHeld.model_validate(
        {
            "leak": leak.id, "reporter": leak.reporters[0], "reason": leak.held, "exposures": exposures,
            "explanation": _HELD[leak.held],
        }
    )  # fmt: skip


def _dismissed(leak: Leak) -> LeakDismissed:
    return LeakDismissed.model_validate(
        {
            "leak": leak.id, "reporter": leak.reporters[0], "reason": leak.dismissed, "by": leak.decided_by,
            "explanation": _DISMISSED[leak.dismissed],
        }
    )  # fmt: skip
