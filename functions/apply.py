"""apply: have the target accept the staged credential, or have the provider make it; undo that where it is given up.

The record says that the target is about to be told before it is told: whoever comes again tries the staged credential
first, and never makes a second one unless the target's policy refused the first.
"""

from collections.abc import Iterator
from dataclasses import replace

from events.event import Event
from events.rotated import RotationApplied, RotationFailed, RotationStaged
from events.rotation import PhaseRequested
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._failures import Conflict
from functions._ports import Ports
from functions._rotation_facts import awaits_revocation, fact
from functions._rotation_records import Events, GivenUp, advance, ask, check_unmoved, keep, look, ticked
from functions._rotation_rights import check_accounts, check_asked, check_unsuspended
from functions._rotation_staged import StagedAhead, found
from functions._rotation_systems import accepted, opened, speaking
from functions._rotation_values import (
    content,
    named_credential,
    staged_credential,
    successor,
    version_data,
    whole,
)
from functions._rotations import Holder, Record, Staged
from functions._step import Step
from functions._systems import Credential, Refused, System

_UNDONE = ("aborting", "withdrawing", "failed", "aborted")


def handle(event: RotationStaged | PhaseRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Have the target accept what is staged; or have it accept the base credential again."""
    if isinstance(event, ScheduleTicked):
        yield from (ask(record, ports) for record in ticked("apply", event, ports))
    elif isinstance(event, RotationStaged) or event.step in (None, "apply"):
        # One by one: two who come at the same moment would have the provider make two, and the later replace the first.
        with StagedAhead(event.path, ports) as ahead, ports.rotations.turn(event.path):
            told = look("apply", event.path, event.rotation, ports, lambda record: _act(record, ahead, ports))
        yield from told


def _act(record: Record, ahead: StagedAhead, ports: Ports) -> Events:
    if record.phase == "aborting":
        return _restore(record, ports)
    if record.phase == "staged":
        return _apply(record, ahead, ports)
    told = fact(record) if record.phase == "applied" else None  # its first telling may have been lost
    return (told,) if told is not None else ()


def _apply(record: Record, ahead: StagedAhead, ports: Ports) -> Events:
    check_asked(record, ports)
    if awaits_revocation(record):
        return (ask(record, ports),)
    system = opened(record, ports)
    if record.terms.strategy == "minted":
        return _mint(record, system, ports)
    staged = ahead.staged_for(record)
    new = staged_credential(staged, system, record.terms)
    # Where nobody can log in, nothing tells whether a try before this reached the target: it is told again.
    if record.new is None or not system.verifiable or not accepted(new, system, record, ports):
        keep_old = _base_credential(record, system, ports) if record.terms.strategy == "dual" else None
        known = record
        with ports.beside(lambda: _announced(known, staged.credential, ports)) as announced:
            try:
                with speaking(record, ports):
                    system.apply(new, record.id, keep=keep_old, before=announced)
            except Refused:
                return _refused(announced(), ports)
            record = announced()
    return _applied(record, ports, staged=staged)


def _announced(record: Record, new: Holder, ports: Ports) -> Record:
    """Said before it is done: from here on, the target may accept the new credential. Raises Conflict.

    Being the last thing before the target is told, it also keeps out whoever read an older record.
    """
    if record.new != new:
        return keep(replace(record, new=new), record, record.due, ports)
    check_unmoved(record, ports)
    return record


def _applied(record: Record, ports: Ports, *, staged: Staged) -> Events:
    try:
        moved = advance(record, "applied", ports, new=staged.credential, staged=staged.version)
    except Conflict:
        return _late(record, ports)
    told = fact(moved)
    return (told,) if told is not None else ()


def _late(record: Record, ports: Ports) -> Events:
    """The record moved while the target was told: what must not stay applied is undone again. Raises Conflict."""
    newest = ports.rotations.read(record.path)
    if newest is None or newest.id != record.id or newest.phase in ("staged", "applied", "verified", "promoting"):
        raise Conflict(f"the rotation of {record.path} moved")  # read again: the same effect, or another's turn
    if newest.phase in _UNDONE:
        newest = advance(newest, "aborting", ports, told=False)
    return (ask(newest, ports, "apply" if newest.phase == "aborting" else "revoke", "the target was told late"),)


def _refused(record: Record, ports: Ports) -> Events:
    """Another value may do, once: `create` replaces the one that the record still names."""
    if record.regenerated:
        raise GivenUp("target-refused")
    moved = advance(record, "requested", ports, regenerated=True, new=None)
    return (ask(moved, ports, reason="the target refused the value by its policy"),)


def _mint(record: Record, system: System, ports: Ports) -> Events:
    """Have the provider make the credential, and store it at once; what was made and not stored is discarded."""
    there = ports.pending.read(record.path)
    if (
        there is not None
        and there.rotation == record.id
        and not (record.regenerated and there.version == record.staged)
    ):
        return _applied(record, ports, staged=there)
    if there is not None:
        ports.pending.remove(record.path, there.version)  # left by a rotation that ended, or not accepted by anybody
    old = _base_credential(record, system, ports)
    account = successor(record.old, record.terms)
    record = _announced(record, Holder(account), ports)
    data = version_data(record, record.old, ports) or {}
    with speaking(record, ports):
        minted = system.mint(account, record.id, keep=old)
    made = Staged(record.path, record.id, Holder(account, minted.id), content(data, minted, record.terms))
    return _applied(record, ports, staged=ports.pending.create(made))


def _base_credential(record: Record, system: System, ports: Ports) -> Credential | None:
    """The credential that consumers have, None where nobody holds it."""
    credential = named_credential(record, record.old, system, ports)
    return credential if credential is not None and whole(credential, system) else None


# --- undoing -------------------------------------------------------------------------------------------------------


def _restore(record: Record, ports: Ports) -> Events:
    """The base credential works again; then `revoke` takes the new one back."""
    check_unsuspended(record, ports.wiring.rotation(record.manifest), ports)
    if record.new is not None and record.terms.strategy in ("single", "dual") and not record.revoked_first:
        check_accounts(record, ports)
        _reapply(record, opened(record, ports), ports)
    moved = advance(record, "withdrawing", ports)
    return (ask(moved, ports, reason="it is given up"),)


def _reapply(record: Record, system: System, ports: Ports) -> None:
    old = _base_credential(record, system, ports)
    staged = found(record, ports)
    if old is None or not system.verifiable:
        return
    new = staged_credential(staged, system, record.terms) if staged is not None else None
    works = accepted(old, system, record, ports)
    if works and new is not None and not accepted(new, system, record, ports):
        return
    if works and record.terms.strategy == "dual":
        return  # the new one is taken back by name
    check_unmoved(record, ports)
    with speaking(record, ports):
        system.apply(old, record.id)


STEP = Step(
    name="apply",
    does="Has targets accept staged credentials, or providers make them; undoes it where a rotation is given up.",
    consumes=(RotationStaged, PhaseRequested, ScheduleTicked),
    emits=(RotationApplied, RotationFailed, PhaseRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.ROTATION_READ,
            Capability.ROTATION_WRITE,
            Capability.PENDING_READ,
            Capability.PENDING_WRITE,
            Capability.PENDING_REMOVE,
            Capability.SYSTEM_LOGIN,
            Capability.SYSTEM_APPLY,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
