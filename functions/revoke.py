"""revoke: end the old credential once every consumer has moved, and prove that it is refused; take back what failed.

Whether consumers have moved is read from what stands there now, never counted from events. Every rotation ends here:
completed, failed or aborted, with nothing staged and no slot held, and said until it is known to have been heard.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
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
from functions._manifests.rotation import Evidence, Rotation
from functions._orders import refuse_expired
from functions._ports import Ports
from functions._rotation_base import based, current
from functions._rotation_due import next_due
from functions._rotation_ending import after, ended, heard, settled, take_back
from functions._rotation_evidence import Moved, moved
from functions._rotation_facts import awaits_revocation, end, overwritten, turn_of
from functions._rotation_pair import pair_of, refuse_given, require_new
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
from functions._rotation_values import named_credential, staged_credential, whole
from functions._rotations import ENDED, Record, Terms
from functions._step import Step
from functions._systems import Before, Credential, System, Usage

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
            yield from _looked(path, None, ports, hint=_named(event))
    elif isinstance(event, RotationCompleted | RotationFailed):
        yield from look(
            "revoke", event.path, event.rotation, ports, lambda record: heard(record, event, ports), asked=False
        )
    elif isinstance(event, AbortRequested):
        yield from _abort(event, ports)
    elif isinstance(event, RotationPromoted):
        yield from _looked(event.path, event.rotation, ports, hint=_named(event), early=True)
        yield from look("revoke", event.path, event.rotation, ports, lambda record: _settle(record, ports))
    elif event.step in (None, "revoke"):
        yield from _looked(event.path, event.rotation, ports)
        yield from look("revoke", event.path, event.rotation, ports, lambda record: _settle(record, ports))


def _named(event: Hints | RotationPromoted) -> str:
    """A delivery that comes again has the same name, and no other that comes at the same moment."""
    return f"{event.TYPE} {event.about.subject}"


def _looked(path: PathRef, rotation: RotationId | None, ports: Ports, *, hint: str = "", early: bool = False) -> Events:
    """A look at the rotation; most who are told that it moved are told at the same moment, and come one by one.

    `hint` names who is told of something else than that this step is to look.
    """

    def act(record: Record) -> Events:
        told = _soon(record, ports, hint) if early else None
        return told if told is not None else _act(record, ports, hint)

    with ports.rotations.turn(path):
        return look("revoke", path, rotation, ports, act, asked=not hint)


def _settle(record: Record, ports: Ports) -> Events:
    """After the look: the old credential does not wait for what only tidies up."""
    return settled(record, ports) if record.phase in ("promoted", "completed") else ()


def _act(record: Record, ports: Ports, hint: str) -> Events:
    """Who is told of something else than that this step is to look, is told only of what was promoted."""
    if record.phase == "promoted":
        return _revoke(record, ports, hint)
    if record.phase in ENDED:
        return () if hint and _being_told(record, ports, hint) else after(record, ports)
    if hint:
        return ()
    if awaits_revocation(record):
        return _revoke_first(record, ports)
    return _withdraw(record, ports) if record.phase == "withdrawing" else ()


def _being_told(record: Record, ports: Ports, hint: str) -> bool:
    """Whether the end is known, or whoever brought it about is about to tell: that one's delivery is kept until it has.

    It comes again where it died or its answer was lost, which may be at once: then it says the end again.
    """
    return record.told or (record.ender != hint and ports.clock.now() < record.entered + _TELLING)


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


class _NotMoved(Exception):
    """Some consumers have not moved yet."""

    def __init__(self, shown: Moved) -> None:
        super().__init__(shown.detail)
        self.shown = shown


def _soon(record: Record, ports: Ports, hint: str) -> Events | None:
    """The end of what leaked, if its consumers move while this gets ready for it: most do, and it is used meanwhile.

    None where they take longer, or anything else is in the way: then it is looked at in order.
    """
    if record.phase != "promoted" or record.policy != "leak" or record.revoked_first:
        return None
    rotation = check_settled(record, ports)
    system, terms = opened(record, ports), terms_now(record, rotation)
    try:
        return _finish(record, rotation, system, ports, lambda: _evidence(record, terms, system, ports), hint=hint)
    except (_NotMoved, Stuck):
        return None


def _revoke(record: Record, ports: Ports, hint: str) -> Events:
    rotation = check_settled(record, ports)
    terms = terms_now(record, rotation)
    system = opened(record, ports)
    evidence: Grade = "none"
    if not record.revoked_first:
        try:
            evidence = _evidence(record, terms, system, ports)
        except _NotMoved as not_yet:
            deadline = terms.leak.deadline if record.policy == "leak" else None
            return _wait(record, not_yet.shown, deadline, ports)
        if record.policy != "leak" and (record := _graced(record, terms.grace, ports)).due is not None:
            return ()
    return _finish(record, rotation, system, ports, lambda: evidence, hint=hint)


def _evidence(record: Record, terms: Terms, system: System, ports: Ports) -> Grade:
    """By what the old credential may be ended. Raises _NotMoved.

    What leaked waits for no more than that consumers have the new one, and not for ever.
    """
    strict = record.policy == "leak"
    shown = _moved(record, "materialized" if strict else terms.evidence, system, ports)
    overdue = strict and ports.clock.now() >= record.entered + timedelta(seconds=terms.leak.deadline)
    if not shown.whole and not overdue:
        raise _NotMoved(shown)
    return shown.grade if shown.whole else "none"


def _finish(
    record: Record, rotation: Rotation | None, system: System, ports: Ports, evidence: Callable[[], Grade], *, hint: str
) -> Events:  # fmt: skip
    """End the old credential, and say so. `evidence` is asked for when nothing else is left to do before."""
    shown: list[Grade] = []

    def last() -> None:
        shown.append(evidence())
        check_unmoved(record, ports)

    pair = pair_of(record, system, ports)
    old = pair.old
    if old is not None:
        refuse_given(record, pair, system, ports)
    if old is not None and record.policy != "leak":
        require_new(record, pair.new, system, ports)
    until = None
    if old is not None:
        until = _end_old(record, old, pair.new, system, ports, before=last)
    else:
        last()
    provable = old is not None and system.verifiable and whole(old, system)
    orphans = (*record.orphans, record.old) if until is not None and record.old is not None else record.orphans
    done = advance(
        record, "completed", ports, at=until or next_due(rotation, record.path, record.promoted), orphans=orphans,
        evidence=shown[-1], proof="refused" if provable else "replaced", ender=hint,
    )  # fmt: skip
    return end(done)


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
    record: Record, old: Credential, new: Credential | None, system: System, ports: Ports, *, before: Before
) -> datetime | None:  # fmt: skip
    """Revoke, and try to log in: it must be refused. When to come again, where the target asks for that."""
    with speaking(record, ports):
        until = system.revoke(old, successor=new, before=before)
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
    proves=(RotationCompleted, RotationFailed),
)  # fmt: skip
