"""restart: have workloads replace their pods when the data of a Secret that they use changed.

Only workloads that asked for it, once per change, within a budget and their change window. What was done is recorded
outside of the workload before it is done: a restart that somebody took back is told of, and never repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from events.consumer import AdoptionRequested, ConsumerRestarted, ConsumerStuck, RestartRequested, WorkloadRef
from events.event import Event
from events.references import SecretRef
from events.schedule import ScheduleTicked
from events.secret import SecretMaterialized
from functions._capability import Capability
from functions._consumed import Consumed, Heads, consumed, covers, digest_of, marks_of, stale, stamps_of
from functions._failures import Conflict, Reject, Retry
from functions._marks import RESTART_WINDOW
from functions._opting import may_want
from functions._orders import expiry
from functions._ports import Ports
from functions._rollout_records import (
    LATER,
    SCHEDULE,
    SOON,
    keep,
    reminded,
    reverted,
    told_restarted,
    told_stuck,
    unfulfilled,
)
from functions._shards import SWEEP, in_shard
from functions._slots import take
from functions._step import Step
from functions._windows import next_opening, parse
from functions._workloads import Rollout, State, Workload

ATTEMPTS = 4
_FEW_MINUTES = timedelta(minutes=5)  # whoever gives a slot back says so at once; this is for slots that expire


@dataclass(frozen=True, slots=True)
class Case:
    """A workload, the managed Secrets that it asked about, and what is recorded of it."""

    workload: Workload
    secrets: tuple[Consumed, ...]
    marks: Mapping[str, str]
    known: Rollout | None

    @property
    def digest(self) -> str:
        return digest_of(self.marks)


def handle(event: SecretMaterialized | RestartRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Restart the workloads that the event concerns, or put them off."""
    if isinstance(event, ScheduleTicked):
        yield from _ticked(event, ports)
        return
    if isinstance(event, RestartRequested):
        yield from _restart(event.workload, ports)
        return
    found = ports.workloads.list(event.secret.namespace)
    using = [one.ref for one in found if may_want(one, event.secret.name, ports.settings)]
    for ref in using:
        try:
            yield from _restart(ref, ports)
        except (Retry, Reject, Conflict) as failure:
            if len(using) == 1:
                raise
            yield _order(ref, failure.reason[:500], ports)


def _restart(ref: WorkloadRef, ports: Ports) -> tuple[Event, ...]:
    for _ in range(ATTEMPTS):
        try:
            return _attempt(ref, ports)
        except Conflict:
            continue  # somebody moved between our read and our write: read everything again
    raise Retry(f"{ref} changes faster than it can be compared and set")


def _attempt(ref: WorkloadRef, ports: Ports) -> tuple[Event, ...]:
    known = ports.rollouts.read(ref)  # before the workload: a restart that it tells of can be seen there
    workload = ports.workloads.read(ref)
    secrets = consumed(workload, Heads(ports), ports) if workload is not None else ()
    if workload is None or not marks_of(secrets):
        # Gone, or it asks for nothing any more: what is recorded of it goes too.
        return (_follow(ref, "nothing is left to restart it for", ports),) if known is not None else ()
    case = Case(workload, secrets, marks_of(secrets), known)
    if workload.restarted_for == case.digest:
        return _restarted(case, ports)
    if known is not None and _settled(known, case):
        return _again(known, case, ports)
    return _proceed(case, ports)


def _settled(known: Rollout, case: Case) -> bool:
    """Whether nothing is left to be restarted for, whatever became of it."""
    waits = known.state == "waiting" or unfulfilled(known, case.workload)
    return covers(known, case.workload, case.marks) and not waits


def _restarted(case: Case, ports: Ports) -> tuple[Event, ...]:
    """It carries the digest of what is current: by us, or with a template that somebody copied."""
    known = case.known
    if known is None or not covers(known, case.workload, case.marks):
        return (_follow(case.workload.ref, "its template carries the digest of its Secrets", ports),)
    if known.state == "waiting":  # put off, and meanwhile restarted by a delivery beside this one
        known = _recorded(case, "rolling", "", ports.clock.now() + SOON, ports, generation=case.workload.generation)
    return _again(known, case, ports)


def _again(known: Rollout, case: Case, ports: Ports) -> tuple[Event, ...]:
    """Say once more what was done, where its first answer may have been lost."""
    if reverted(known, case.workload) and known.reason != "reverted":
        known = keep(
            replace(known, state="stuck", reason="reverted", told=False), known, ports.clock.now() + SOON, ports
        )
    if known.state == "stuck":
        return () if known.told else (told_stuck(known),)
    if known.state == "rolling" and known.generation and not known.told:
        return (told_restarted(known),)
    if known.state == "adopted" and known.told and dict(known.stamps) == stamps_of(case.secrets):
        return ()
    return (_follow(case.workload.ref, "the versions of its Secrets moved", ports),)


def _proceed(case: Case, ports: Ports) -> tuple[Event, ...]:
    ref, now = case.workload.ref, ports.clock.now()
    if ports.suspensions.reason(*(one.ref for one in case.secrets)):
        return ()  # the sweep comes again
    if not stale(case.secrets, ports.workloads.pods(ref), case.digest):
        return (_follow(ref, "its pods began after its Secrets changed", ports),)
    if case.workload.on_delete:
        return (told_stuck(_recorded(case, "stuck", "on-delete", now + SOON, ports)),)
    if case.workload.paused:
        return _put_off(case, "paused", now + LATER, ports)
    try:
        opens = _opens(case.workload, ports)
    except Reject:
        return _put_off(case, "bad-window", now + LATER, ports)
    if opens is not None:
        return _put_off(case, "window", opens, ports)
    if not take(case.workload, ports):
        return _put_off(case, "budget", now + _FEW_MINUTES, ports)
    return (_carry_out(case, ports),)


def _opens(workload: Workload, ports: Ports) -> datetime | None:
    """When its window opens, None while it is open. Raises Reject for a window that cannot be read."""
    return next_opening(
        parse(workload.annotations.get(RESTART_WINDOW, ports.settings.restart_window)), ports.clock.now()
    )


def _carry_out(case: Case, ports: Ports) -> Event:
    workload, known = case.workload, case.known
    if known is None or not unfulfilled(known, workload) or known.digest != case.digest:
        at = ports.clock.now() + SOON
        known = _recorded(case, "rolling", "", at, ports, generation=workload.generation)
    try:
        ports.workloads.restart(workload.ref, known.digest, workload.state)
    except Conflict:
        # Not carried out, and the generation may have moved: without this it would look like a restart taken back.
        keep(replace(known, state="waiting", reason="budget", generation=0), known, ports.clock.now() + SOON, ports)
        raise
    return told_restarted(known)


def _put_off(case: Case, reason: str, at: datetime, ports: Ports) -> tuple[Event, ...]:
    """Wait without retrying: a record and a reminder. What does not end by itself is told of as stuck."""
    record, now = _recorded(case, "waiting", reason, at, ports), ports.clock.now()
    overdue = now >= record.began + timedelta(seconds=ports.settings.restart_deadline)
    if not record.told and (reason == "bad-window" or (reason == "paused" and overdue)):
        return (told_stuck(record),)
    return ()


def _recorded(
    case: Case, state: State, reason: str, at: datetime, ports: Ports, *, generation: int = 0
) -> Rollout:  # fmt: skip
    """The record of what is done or waited for now. One that waits on for the same keeps when that began."""
    known, workload = case.known, case.workload
    same = known is not None and covers(known, workload, case.marks) and (known.state, known.reason) == (state, reason)
    record = Rollout(
        workload=workload.ref,
        uid=workload.uid,
        digest=case.digest,
        marks=case.marks,
        stamps=stamps_of(case.secrets),
        state=state,
        began=known.began if known is not None and same else ports.clock.now(),
        generation=generation,
        reason=reason,
        told=known.told if known is not None and same else False,
        revision=known.revision if known is not None else 0,
    )
    return keep(record, known, at, ports)


# --- ticks: what is due, and what events missed ----------------------------------------------------------------------


def _ticked(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    if event.schedule.name == SCHEDULE:
        for record in reminded(STEP.name, ports):
            yield _order(record.workload, f"it waited: {record.reason}", ports)
    elif event.schedule.name == SWEEP:
        yield from _sweep(event, ports)


def _sweep(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Every workload that asked, once in a round: by namespace, so that each is listed once."""
    heads = Heads(ports)
    for namespace in sorted({one.target.namespace for one in ports.wiring.external_secrets()}):
        if not in_shard(SecretRef(namespace=namespace, name="all"), event):
            continue
        for workload in ports.workloads.list(namespace):
            try:
                yield from _sweep_workload(workload, heads, ports)
            except (Retry, Reject):
                continue  # one that cannot be looked at now holds up no other


def _sweep_workload(workload: Workload, heads: Heads, ports: Ports) -> Iterator[Event]:
    marks = marks_of(consumed(workload, heads, ports))
    if not marks:
        return
    known = ports.rollouts.read(workload.ref)
    if known is None or not covers(known, workload, marks) or known.state == "waiting":
        yield _order(workload.ref, "it was not restarted for what its Secrets carry", ports)
    elif unfulfilled(known, workload) or (reverted(known, workload) and known.reason != "reverted"):
        yield _order(workload.ref, "its pod template lacks the restart that is recorded", ports)
    elif known.state == "rolling" or not known.told:
        yield _follow(workload.ref, "nobody told what became of it", ports)


def _order(ref: WorkloadRef, reason: str, ports: Ports) -> RestartRequested:
    return RestartRequested(workload=ref, expires=expiry(ports), reason=reason)


def _follow(ref: WorkloadRef, reason: str, ports: Ports) -> AdoptionRequested:
    return AdoptionRequested(workload=ref, expires=expiry(ports), reason=reason)


STEP = Step(
    name="restart",
    does="Restarts workloads that asked for it, once per change of their Secrets, within budgets and windows.",
    consumes=(SecretMaterialized, RestartRequested, ScheduleTicked),
    emits=(ConsumerRestarted, ConsumerStuck, RestartRequested, AdoptionRequested),
    needs=frozenset(
        {
            Capability.TARGET_METADATA,
            Capability.WORKLOAD_READ,
            Capability.WORKLOAD_WRITE,
            Capability.ROLLOUT_READ,
            Capability.ROLLOUT_WRITE,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
