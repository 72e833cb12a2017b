"""revoke: end the old credential once every consumer has moved, and prove that it is refused; take back what failed.

Whether consumers have moved is read from what stands there now, never counted from events. Every rotation ends here:
completed, failed or aborted, with nothing staged and no slot held, and said until it is known to have been heard.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from events.consumer import ConsumerAdopted
from events.event import Event
from events.references import PathRef
from events.rotated import RotationCompleted, RotationFailed, RotationPromoted, RotationRevoked
from events.rotation import AbortRequested, PhaseRequested, RotationId, RotationRequested
from events.schedule import ScheduleTicked
from events.secret import SecretMaterialized
from functions._capability import Capability
from functions._failures import Conflict, Reject, Retry
from functions._manifests.rotation import Evidence
from functions._orders import refuse_expired
from functions._ports import Ports
from functions._rotation_base import based, current
from functions._rotation_due import next_due
from functions._rotation_ending import after, ended, heard, settled, take_back
from functions._rotation_evidence import Moved, moved
from functions._rotation_facts import awaits_revocation, end, overwritten, turn_of
from functions._rotation_records import (
    ATTEMPTS,
    LATER,
    SOON,
    Events,
    Stuck,
    advance,
    ask,
    check_unmoved,
    give_up,
    keep,
    look,
    ticked,
)
from functions._rotation_rights import check_accounts, check_asked, check_settled, check_unsuspended, terms_now
from functions._rotation_staged import found
from functions._rotation_systems import accepted, opened, speaking
from functions._rotation_values import credential_in, named_credential, staged_credential, whole
from functions._rotations import ENDED, Record
from functions._step import Step
from functions._systems import Credential, System, Usage
from functions._values import SecretData

_TELLING = timedelta(seconds=5)  # that an end takes to be told, at most
_ABORTABLE = ("requested", "staged", "applied", "verified")

Looks = RotationPromoted | PhaseRequested
Hints = SecretMaterialized | ConsumerAdopted
Grade = Literal["none", "materialized", "rolled-out", "seen"]


def handle(
    event: Looks | AbortRequested | Hints | RotationCompleted | RotationFailed | ScheduleTicked, ports: Ports
) -> Iterator[Event]:
    """Look whether the old credential may die; take back what is given up; hear that an end is known."""
    if isinstance(event, ScheduleTicked):
        yield from (ask(record, ports) for record in ticked("revoke", event, ports))
    elif isinstance(event, SecretMaterialized | ConsumerAdopted):
        for path in _rotated(event, ports):
            yield from _looked(path, None, ports, hint=True)
    elif isinstance(event, RotationCompleted | RotationFailed):
        yield from look("revoke", event.path, event.rotation, ports, lambda record: heard(record, event, ports))
    elif isinstance(event, AbortRequested):
        yield from _abort(event, ports)
    elif isinstance(event, RotationPromoted):
        yield from _looked(event.path, event.rotation, ports, hint=True)
        yield from look("revoke", event.path, event.rotation, ports, lambda record: _settle(record, ports))
    elif event.step in (None, "revoke"):
        yield from _looked(event.path, event.rotation, ports, hint=False)
        yield from look("revoke", event.path, event.rotation, ports, lambda record: _settle(record, ports))


def _looked(path: PathRef, rotation: RotationId | None, ports: Ports, *, hint: bool) -> Events:
    """A look at the rotation; most who are told that it moved are told at the same moment, and come one by one."""
    with ports.rotations.turn(path):
        return look("revoke", path, rotation, ports, lambda record: _act(record, ports, hint=hint), asked=not hint)


def _settle(record: Record, ports: Ports) -> Events:
    """After the look: the old credential does not wait for what only tidies up."""
    return settled(record, ports) if record.phase in ("promoted", "completed") else ()


def _act(record: Record, ports: Ports, *, hint: bool) -> Events:
    """`hint`: told of something else than that this step is to look, and so only of what was promoted."""
    if record.phase == "promoted":
        return _revoke(record, ports)
    if record.phase in ENDED:
        return () if hint and _being_told(record, ports) else after(record, ports)
    if hint:
        return ()
    if awaits_revocation(record):
        return _revoke_first(record, ports)
    return _withdraw(record, ports) if record.phase == "withdrawing" else ()


def _being_told(record: Record, ports: Ports) -> bool:
    """Whether the end is known, or whoever brought it about is about to tell: that one's delivery is kept until it has.

    It comes again where it died, and is no longer so young then.
    """
    return record.told or ports.clock.now() < record.entered + _TELLING


# --- hints that consumers moved --------------------------------------------------------------------------------------


def _rotated(event: Hints, ports: Ports) -> tuple[PathRef, ...]:
    """The rotated paths that the event is about, by the wiring alone."""
    if isinstance(event, SecretMaterialized):
        named = set(event.stamp)
    else:
        named = {name for stamp in event.secrets.values() for name in stamp}
    paths: dict[PathRef, None] = {}
    for rotation in ports.wiring.rotations():
        try:
            path = rotation.path(ports.wiring.mount)
        except Reject:
            continue  # lint and `status` name it
        if str(path) in named:
            paths[path] = None
    return tuple(paths)


# --- the old credential ----------------------------------------------------------------------------------------------


def _revoke(record: Record, ports: Ports) -> Events:
    rotation = check_settled(record, ports)
    terms = terms_now(record, rotation)
    system = opened(record, ports)
    evidence: Grade = "none"
    if not record.revoked_first:
        strict = record.policy == "leak"
        shown = _moved(record, "materialized" if strict else terms.evidence, system, ports)
        overdue = strict and ports.clock.now() >= record.entered + timedelta(seconds=terms.leak.deadline)
        if not shown.whole and not overdue:
            return _wait(record, shown, terms.leak.deadline if strict else None, ports)
        evidence = shown.grade if shown.whole else "none"
        if not strict and (record := _graced(record, terms.grace, ports)).due is not None:
            return ()
    both = _both(record, system, ports)
    old = both.old
    if old is not None:
        _refuse_given(record, both, system, ports)
    if old is not None and record.policy != "leak":
        _require_new(record, both.new, system, ports)
    until = _end_old(record, old, both.new, system, ports) if old is not None else None
    provable = old is not None and system.verifiable and whole(old, system)
    orphans = (*record.orphans, record.old) if until is not None and record.old is not None else record.orphans
    done = advance(
        record, "completed", ports, at=until or next_due(rotation, record.path, record.promoted), orphans=orphans,
        evidence=evidence, proof="refused" if provable else "replaced",
    )  # fmt: skip
    return end(done)


@dataclass(frozen=True, slots=True)
class _Both:
    """The old and the new credential, each with its value where the authority still has it; and all of the new."""

    old: Credential | None
    new: Credential | None
    promoted: SecretData | None = field(repr=False)


def _both(record: Record, system: System, ports: Ports) -> _Both:
    """Read side by side."""
    former = record.old.version if record.old is not None else None
    latter = record.new.version if record.new is not None else None
    with ExitStack() as asked:
        replaced = asked.enter_context(ports.authority.reading(record.path, former)) if former is not None else None
        promoted = ports.authority.read(record.path, latter) if latter is not None else None
        stored = replaced() if replaced is not None else None
    data = promoted.data if promoted is not None else None
    old = credential_in((stored and stored.data) or {}, record.old, system, record.terms) if record.old else None
    new = credential_in(data or {}, record.new, system, record.terms) if record.new else None
    return _Both(old, new, data)


def _refuse_given(record: Record, both: _Both, system: System, ports: Ports) -> None:
    """Raises Stuck where the record has us end what consumers are given.

    Every step that rotates may write the record; which version consumers are given, only `promote` can confirm.
    """
    confirmed = ports.publications.read(record.path)
    if confirmed is None or both.old is None or record.old is None or record.revoked_first:
        return
    given = both.promoted
    if record.new is None or confirmed.version != record.new.version:
        stored = ports.authority.read(record.path, confirmed.version)
        given = stored.data if stored is not None else None
    if given is None:
        return
    if system.secret_fields and credential_in(given, record.old, system, record.terms).fields == both.old.fields:
        raise Stuck("not-allowed", "the record names as old what consumers are given now; find out who wrote it")


def _require_new(record: Record, new: Credential | None, system: System, ports: Ports) -> None:
    """The old one may be the last that works: since the promotion, somebody may have changed the account. Raises Stuck.

    A leak does not ask: what leaked must die, whatever became of its successor.
    """
    if system.verifiable and (new is None or not whole(new, system) or not accepted(new, system, record, ports)):
        detail = f"{record.terms.target} does not accept the new credential any more, so the old one is kept"
        raise Stuck("not-accepted", detail, passing=True)


def _moved(record: Record, grade: Evidence, system: System, ports: Ports) -> Moved:
    if record.promoted is None:
        raise Retry(f"the rotation of {record.path} names no promoted version")

    def usage() -> Usage:
        new = named_credential(record, record.new, system, ports)
        with speaking(record, ports):
            return system.usage(new) if new is not None else Usage(known=False)

    return moved(record.path, record.promoted, grade, usage, ports)


def _wait(record: Record, shown: Moved, deadline: float | None, ports: Ports) -> Events:
    """The old credential lives on. Told once, when consumers take longer than they should."""
    now = ports.clock.now()
    patient = record.entered + timedelta(seconds=ports.settings.rotation_patience)
    until = patient if now < patient else now + LATER
    if deadline is not None:
        until = min(until, max(record.entered + timedelta(seconds=deadline), now))
    if record.evidenced is not None or record.due is None or record.due <= now or record.due > until + SOON:
        record = keep(replace(record, evidenced=None), record, until, ports)
    if now >= patient:
        raise Stuck("no-evidence", shown.detail, until=until)
    return ()


def _graced(record: Record, grace: float, ports: Ports) -> Record:
    """The record with since when all have moved; with a reminder where its grace is not over yet."""
    now = ports.clock.now()
    since = record.evidenced or now
    over = since + timedelta(seconds=grace)
    if now >= over:
        return keep(replace(record, evidenced=since), record, None, ports) if record.due is not None else record
    return keep(replace(record, evidenced=since, trouble=None), record, over, ports)


def _end_old(
    record: Record, old: Credential, new: Credential | None, system: System, ports: Ports
) -> datetime | None:  # fmt: skip
    """Revoke, and try to log in: it must be refused. When to come again, where the target asks for that."""
    check_unmoved(record, ports)
    with speaking(record, ports):
        until = system.revoke(old, successor=new)
        if record.terms.strategy == "minted" and new is not None:
            system.discard(new.account, record.id, keep=new)
    _refuse_accepted(record, old, system, ports)
    return until


def _refuse_accepted(record: Record, old: Credential, system: System, ports: Ports) -> None:
    """Negative verification. Raises Stuck while the old credential still lets somebody in."""
    if system.verifiable and whole(old, system) and accepted(old, system, record, ports):
        raise Stuck("still-accepted", f"{record.terms.target} still accepts the old credential", passing=True)


def _revoke_first(record: Record, ports: Ports) -> Events:
    """Its owner wants it dead before there is a new one: an outage is less than its abuse."""
    check_asked(record, ports)
    system = opened(record, ports)
    holder = record.old
    if record.phase == "requested":
        holder = current(record, based(record, ports.authority.read(record.path), ports), system)
    old = named_credential(record, holder, system, ports)
    if old is not None:
        staged = found(record, ports)
        new = staged_credential(staged, system, record.terms) if staged is not None and record.new else None
        check_unmoved(record, ports)
        with speaking(record, ports):
            system.revoke(old, successor=new)
        _refuse_accepted(record, old, system, ports)
    dead = keep(replace(record, revoked_first=True, old=holder, trouble=None), record, None, ports)
    return (ask(dead, ports, reason="the leaked credential is dead"),)


# --- what is given up ------------------------------------------------------------------------------------------------


def _abort(event: AbortRequested, ports: Ports) -> Events:
    refuse_expired(event, ports)
    for _ in range(ATTEMPTS):
        record = ports.rotations.read(event.path)
        if record is None or record.id != event.rotation or record.phase in ("completed", "failed"):
            raise Reject(f"rotation {event.rotation} of {event.path} is not under way; see `lockstep rotation show`")
        if record.phase in ("promoting", "promoted"):
            raise Reject(f"the rotation of {event.path} is promoted: consumers get the new credential; rotate again")
        if overwritten(record):
            raise Reject(
                f"{record.terms.target} keeps one credential of an account, and made another: giving up the rotation "
                f"of {event.path} would leave consumers without one that works; let it go on, then rotate again"
            )
        try:
            if record.phase in _ABORTABLE:
                return give_up(turn_of(record), record, "aborted", ports)
        except Conflict:
            continue
        return (ask(record, ports),)  # its first answer may have been lost
    raise Retry(f"the rotation of {event.path} moves faster than it can be compared and set")


def _withdraw(record: Record, ports: Ports) -> Events:
    """Take the new credential back, and end."""
    check_unsuspended(record, ports.wiring.rotation(record.manifest), ports)
    until = None
    if record.new is not None and record.terms.strategy != "single":
        check_accounts(record, ports)
        until = take_back(record, record.new, opened(record, ports), ports)
    orphans = (*record.orphans, record.new) if until is not None and record.new is not None else record.orphans
    given_up = record.ending.endswith(":aborted")
    done = advance(record, "aborted" if given_up else "failed", ports, at=until, orphans=orphans)
    return ended(done, ports)


STEP = Step(
    name="revoke",
    does="Ends old credentials when every consumer has moved and proves it; takes back what is given up.",
    consumes=(
        RotationPromoted, PhaseRequested, AbortRequested, SecretMaterialized, ConsumerAdopted, RotationCompleted,
        RotationFailed, ScheduleTicked,
    ),
    emits=(RotationRevoked, RotationCompleted, RotationFailed, RotationRequested, PhaseRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.PUBLICATION_READ,
            Capability.TARGET_METADATA,
            Capability.WORKLOAD_READ,
            Capability.ROLLOUT_READ,
            Capability.ROTATION_READ,
            Capability.ROTATION_WRITE,
            Capability.PENDING_READ,
            Capability.PENDING_REMOVE,
            Capability.SYSTEM_LOGIN,
            Capability.SYSTEM_REVOKE,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)  # fmt: skip
