"""The end of a rotation, and what comes after it: slots, what was staged, orphans, what was asked meanwhile."""

from dataclasses import replace
from datetime import datetime

from events.rotated import RotationCompleted, RotationFailed
from events.rotation import RotationRequested
from functions._failures import Retry
from functions._orders import expiry
from functions._ports import Ports
from functions._rotation_due import next_due
from functions._rotation_facts import end
from functions._rotation_records import Events, ask, check_unmoved, keep
from functions._rotation_rights import limits_of
from functions._rotation_slots import count_failure, count_success, give_back
from functions._rotation_staged import found
from functions._rotation_systems import speaking
from functions._rotation_values import named_credential, staged_credential, whole
from functions._rotations import ENDED, Holder, Record
from functions._systems import System

_AT_TARGET = ("target-refused", "not-accepted")  # ends that count for the target's breaker


def take_back(record: Record, holder: Holder, system: System, ports: Ports) -> datetime | None:
    """End the new credential; when to come again, where the target asks for that. Raises Stuck."""
    staged = found(record, ports)
    old = named_credential(record, record.old, system, ports)
    named = named_credential(record, holder, system, ports)
    new = staged_credential(staged, system, record.terms) if staged is not None else named
    until = None
    check_unmoved(record, ports)
    with speaking(record, ports):
        if new is not None and (record.terms.strategy != "minted" or new.id):
            until = system.revoke(new, successor=old)
        if record.terms.strategy == "minted":
            system.discard(holder.account, record.id, keep=old)
    return until


def settled(record: Record, ports: Ports) -> Events:
    """Give back what a promoted rotation needs no more: what was staged, its slot. Raises Conflict."""
    if record.staged is not None:
        ports.pending.remove(record.path, record.staged)
    count_success(record, ports)
    return freed(record, ports)


def ended(record: Record, ports: Ports) -> Events:
    """Nothing stays staged, no slot stays held; said until it is known to have been heard."""
    staged = found(record, ports)
    if staged is not None:
        ports.pending.remove(record.path, staged.version)
    if record.phase == "failed" and record.ending.partition(":")[2] in _AT_TARGET:
        count_failure(record, limits_of(record, ports), ports)
    return (*end(record), *freed(record, ports))


def freed(record: Record, ports: Ports) -> Events:
    """Give its slot back, and have those begin whom it was handed on to. Raises Conflict."""
    return tuple(ask(one, ports, reason="it waited for a slot") for one in give_back(record, ports))


def heard(record: Record, event: RotationCompleted | RotationFailed, ports: Ports) -> Events:
    """The fact was accepted, which its arrival here proves. What was asked meanwhile begins now. Raises Conflict."""
    if isinstance(event, RotationFailed) and not event.ended:
        known = record.trouble
        if known is not None and known.reason == event.reason and not known.told:
            keep(replace(record, trouble=replace(known, told=True)), record, record.due, ports)
        return ()
    if record.phase not in ENDED:
        return ()
    return _follow(keep(replace(record, told=True), record, record.due, ports), ports)


def after(record: Record, ports: Ports) -> Events:
    """A look at one that ended: say it again, see that the old one stays dead, end what it left behind."""
    if not record.told:
        return ended(record, ports)
    if record.phase == "completed" and record.old is not None:
        _see_dead(record, ports)
    if record.orphans:
        _end_orphans(record, ports)
    return _follow(record, ports)


def _follow(record: Record, ports: Ports) -> Events:
    asked = record.following
    if asked is None:
        return ()
    order = RotationRequested(
        path=record.path, policy=asked.policy, base=asked.base, attempt=asked.attempt, by=asked.by,
        expires=expiry(ports), reason="it was asked for while the former rotation was under way",
    )  # fmt: skip
    return (order,)


def _see_dead(record: Record, ports: Ports) -> None:
    """A call that was late may have made the target accept the old credential again. Raises Retry."""
    system = ports.systems.open(record.terms.target)
    old = named_credential(record, record.old, system, ports)
    if old is None or not system.verifiable or not whole(old, system) or not system.accepts(old):
        return
    check_unmoved(record, ports)
    system.revoke(old, successor=named_credential(record, record.new, system, ports))
    if system.accepts(old):
        raise Retry(f"{record.terms.target} accepts the old credential of {record.path} again")


def _end_orphans(record: Record, ports: Ports) -> None:
    """Whatever a target left for later is ended when its time has come."""
    if record.due is not None and ports.clock.now() < record.due:
        return
    system = ports.systems.open(record.terms.target)
    later: list[tuple[datetime, Holder]] = []
    for holder in record.orphans:
        credential = named_credential(record, holder, system, ports)
        check_unmoved(record, ports)
        until = system.revoke(credential) if credential is not None else None
        if until is not None:
            later.append((until, holder))
    due = min((until for until, _ in later), default=None)
    if due is None and record.phase == "completed":
        due = next_due(ports.wiring.rotation(record.manifest), record.path, record.promoted)
    keep(replace(record, orphans=tuple(holder for _, holder in later)), record, due, ports)
