"""adopted: follow workloads until they run what their Secrets carry, and say so, or say why they do not.

A fact is told again until it is known to have been accepted, which its own arrival here proves.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from events.consumer import (
    AdoptionRequested,
    ConsumerAdopted,
    ConsumerRestarted,
    ConsumerStuck,
    RestartRequested,
    WorkloadChanged,
    WorkloadRef,
)
from events.event import Event
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._consumed import Consumed, Heads, consumed, covers, digest_of, marks_of, stale, stamps_of
from functions._failures import Conflict, Reject, Retry
from functions._orders import expiry
from functions._ports import Ports
from functions._rollout_records import LATER, SCHEDULE, SOON, forget, keep, reminded, told_adopted, told_stuck
from functions._rollout_state import Verdict, judge
from functions._slots import give_back
from functions._step import Step
from functions._workloads import Pod, Rollout, Workload

ATTEMPTS = 4

Looks = ConsumerRestarted | WorkloadChanged | AdoptionRequested


def handle(event: Looks | ConsumerAdopted | ConsumerStuck | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Look how far the workload is, and tell what is new."""
    if isinstance(event, ScheduleTicked):
        yield from _ticked(event, ports)
    elif isinstance(event, ConsumerAdopted | ConsumerStuck):
        _accepted(event, ports)
    else:
        asked = isinstance(event, AdoptionRequested)
        yield from _look(event.workload, ports, asked=asked, insists=asked)


def _ticked(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    if event.schedule.name != SCHEDULE:
        return
    for record in reminded(STEP.name, ports):
        try:
            yield from _look(record.workload, ports, asked=False, insists=True)
        except (Retry, Reject):
            continue  # its reminder stays: the next tick looks again, and it holds up no other


def _look(ref: WorkloadRef, ports: Ports, *, asked: bool, insists: bool) -> tuple[Event, ...]:
    for _ in range(ATTEMPTS):
        try:
            return _attempt(ref, ports, asked=asked, insists=insists)
        except Conflict:
            continue
    raise Retry(f"{ref} changes faster than it can be compared and set")


def _attempt(ref: WorkloadRef, ports: Ports, *, asked: bool, insists: bool) -> tuple[Event, ...]:
    """`asked`: somebody wants it followed; a mere hint is about workloads that are. `insists`: what is on record, and
    not known to have been told, is told once more; of the many hints that one rollout makes none does."""
    known = ports.rollouts.read(ref)
    if known is None and not asked:
        return ()
    workload = ports.workloads.read(ref)
    secrets = consumed(workload, Heads(ports), ports) if workload is not None else ()
    if workload is None or not marks_of(secrets):
        return _dropped(ref, known, ports)  # it went, or asks for nothing any more
    pods = ports.workloads.pods(ref)
    record = _followed(workload, secrets, pods, known, ports, asked=asked)
    if record is None:
        held = known.reason if known is not None and known.state == "waiting" else ""
        ready = asked or held == "bad-window" or (held == "paused" and not workload.paused)
        return (_restart(ref, ports),) if ready else ()
    verdict = judge(workload, secrets, record, pods, now=ports.clock.now(), deadline=ports.settings.restart_deadline)
    return _tell(record, known, verdict, ports, insists=insists)


def _followed(
    workload: Workload, secrets: tuple[Consumed, ...], pods: tuple[Pod, ...], known: Rollout | None, ports: Ports, *,
    asked: bool,
) -> Rollout | None:  # fmt: skip
    """The record to follow by, with the versions that its Secrets carry now; None where it must be restarted first."""
    marks = marks_of(secrets)
    if known is not None and covers(known, workload, marks) and known.state != "waiting":
        stamps = stamps_of(secrets)
        return replace(known, stamps=stamps, told=known.told and dict(known.stamps) == stamps)
    if stale(secrets, pods, digest_of(marks)) or (known is None and not asked):
        return None
    # Current without a restart of ours: its pods are newer, as somebody else replaced them or they just began.
    return Rollout(
        workload=workload.ref, uid=workload.uid, digest=digest_of(marks), marks=marks, stamps=stamps_of(secrets),
        state="rolling", began=ports.clock.now(), revision=known.revision if known else 0,
    )  # fmt: skip


def _tell(
    record: Rollout, known: Rollout | None, verdict: Verdict, ports: Ports, *, insists: bool
) -> tuple[Event, ...]:
    said = _on_record(record, known, verdict)
    same = (record.state, record.reason) == (verdict.state, verdict.reason)
    record = replace(record, state=verdict.state, reason=verdict.reason, told=record.told and same)
    orders: tuple[Event, ...] = ()
    if record.state == "adopted" and not record.told:
        orders = _freed(record.workload, ports)
    record = keep(record, known, _next_look(record, known, ports), ports)
    if record.state == "rolling" or record.told or (said and not insists):
        return orders  # whoever put it on record says it, and the next tick does where that was lost
    if record.state == "adopted":
        return (told_adopted(record, "rolled-out"), *orders)
    return (told_stuck(record, verdict.detail), *orders)


def _on_record(record: Rollout, known: Rollout | None, verdict: Verdict) -> bool:
    return known is not None and (known.state, known.reason, known.digest, dict(known.stamps)) == (
        verdict.state, verdict.reason, record.digest, dict(record.stamps),
    )  # fmt: skip


def _next_look(record: Rollout, known: Rollout | None, ports: Ports) -> datetime | None:
    """Every tick until what came of it is told and accepted; then never, or from time to time while it is stuck."""
    now = ports.clock.now()
    due = known.due if known is not None and known.state != "waiting" else None
    if not record.told:
        return due or now + SOON
    if record.state == "adopted":
        return None
    return due if due is not None and due > now else now + LATER


def _dropped(ref: WorkloadRef, known: Rollout | None, ports: Ports) -> tuple[Event, ...]:
    if known is None:
        return ()
    orders = _freed(ref, ports)
    forget(known, ports)
    return orders


def _freed(ref: WorkloadRef, ports: Ports) -> tuple[Event, ...]:
    """Give its slot back, and have those try who wait for one."""
    return tuple(_restart(WorkloadRef.parse(subject), ports) for subject in give_back(ref, ports))


def _accepted(event: ConsumerAdopted | ConsumerStuck, ports: Ports) -> None:
    for _ in range(ATTEMPTS):
        known = ports.rollouts.read(event.workload)
        if known is None or known.told or not _is_about(event, known):
            return
        told = replace(known, told=True)
        at = known.due if known.state == "waiting" else _next_look(told, replace(known, due=None), ports)
        try:
            keep(told, known, at, ports)
        except Conflict:
            continue
        return
    raise Retry(f"the record of {event.workload} changes faster than it can be compared and set")


def _is_about(event: ConsumerAdopted | ConsumerStuck, known: Rollout) -> bool:
    if (event.seen, event.digest) != (known.uid, known.digest):
        return False
    if isinstance(event, ConsumerStuck):
        return known.state in ("stuck", "waiting") and known.reason == event.reason
    return known.state == "adopted" and event.secrets == {name: dict(stamp) for name, stamp in known.stamps.items()}


def _restart(ref: WorkloadRef, ports: Ports) -> RestartRequested:
    return RestartRequested(workload=ref, expires=expiry(ports), reason="it waited, and may be restarted now")


STEP = Step(
    name="adopted",
    does="Follows restarted workloads until their rollout is complete and healthy, or says why it is not.",
    consumes=(ConsumerRestarted, WorkloadChanged, AdoptionRequested, ConsumerAdopted, ConsumerStuck, ScheduleTicked),
    emits=(ConsumerAdopted, ConsumerStuck, RestartRequested),
    needs=frozenset(
        {
            Capability.TARGET_METADATA,
            Capability.WORKLOAD_READ,
            Capability.ROLLOUT_READ,
            Capability.ROLLOUT_WRITE,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
    proves=(ConsumerAdopted, ConsumerStuck),
)
