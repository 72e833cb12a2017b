"""renew: keep the leases that rotations hold alive, have what cannot be prolonged replaced, end what nobody needs.

A lease is prolonged when about a third of it is left. What the authority grants counts from the issue, whatever was
asked for: a renewal that gives less than the one before has met the longest life, and a new credential is ordered,
which reaches the consumers as any rotation does; the old lease ends when they have moved. Reminders keep the time of
leases that are shorter than a round of the sweep; the sweep finds those whose reminder was lost.
"""

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta

from events.event import Event
from events.lease import LeaseExpired, LeaseExpiring, LeaseRenewed, LeaseRevoked
from events.orders import RetractRequested
from events.references import PathRef
from events.rotated import RotationApplied, RotationPromoted
from events.rotation import RotationRequested
from events.schedule import ScheduleTicked
from events.secret import SecretRetracted
from functions._absence import still_absent
from functions._capability import Capability
from functions._failures import Reject, Retry, Unavailable
from functions._lease_needs import POLICY, needed
from functions._leases import Lease, current_lease, held_leases
from functions._orders import expiry
from functions._ports import Ports, Tombstone
from functions._rotation_naming import attempt_after, path_of, text_of
from functions._rotations import ENDED, Record
from functions._step import Step
from functions._workloads import Reminder

SCHEDULE = "rotations"  # its ticks emit what is due
SOON, LATER = timedelta(minutes=1), timedelta(minutes=10)
_WORN = 0.98  # a renewal that gives less than this share of what was granted before has met the longest life

_ADVICE = {
    "gone": "the authority knows the lease of its credential no more; a new credential was ordered",
    "irrevocable": (
        "the time of its lease is over and the authority could not revoke it; end the account at the target by hand "
        "(the authority's log says why). A new credential was ordered"
    ),
    "fixed": "its lease cannot be prolonged; a new credential was ordered",
}

Looks = LeaseExpiring | RotationApplied | RotationPromoted
_Looked = Generator[Event, None, datetime | None]


def handle(event: Looks | ScheduleTicked | RetractRequested, ports: Ports) -> Iterator[Event]:
    """Look after the leases of one path, or of those that are due."""
    if isinstance(event, RetractRequested):
        yield from _retract(event, ports)
    elif isinstance(event, ScheduleTicked):
        yield from _ticked(event, ports)
    elif isinstance(event, LeaseExpiring):
        yield from _look(event.path, ports)
    elif _may_lease(event, ports):
        _follow(event.path, ports)


def _may_lease(event: RotationApplied | RotationPromoted, ports: Ports) -> bool:
    """Whether a provider makes the credentials: no others have leases. What a changed manifest hides, `sweep` sees."""
    rotation = ports.wiring.rotation(event.manifest)
    return rotation is None or rotation.spec.strategy == "minted"


def _follow(path: PathRef, ports: Ports) -> None:
    """Remember when a lease that a rotation just brought is to be looked at.

    No more than that: what ordered a rotation at once, because of a rotation, would never come to rest where leases
    die as soon as they are made.
    """
    record = ports.rotations.read(path)
    leases = [ports.leases.read(holder.id) for holder in held_leases(record)] if record is not None else []
    if leases:
        _remind(path, [lease.due if lease is not None else ports.clock.now() for lease in leases], ports)


def _remind(path: PathRef, moments: list[datetime], ports: Ports) -> None:
    """Never for this minute, whose own reminder is about to be removed."""
    at = max(min(moments), ports.clock.now() + SOON)
    ports.reminders.set(Reminder(at.replace(second=0, microsecond=0), STEP.name, text_of(path)))


def _ticked(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    if event.schedule.name != SCHEDULE:
        return
    for reminder in ports.reminders.due(STEP.name, ports.clock.now()):
        path = path_of(reminder.subject)
        try:
            if path is not None:
                yield from _look(path, ports)
        except (Retry, Reject):
            continue  # its reminder stays: the next tick looks again, and it holds up no other
        ports.reminders.remove(reminder)


# --- keeping alive ----------------------------------------------------------------------------------------------------


def _look(path: PathRef, ports: Ports) -> Iterator[Event]:
    record = ports.rotations.read(path)
    if record is None:
        return
    again: list[datetime] = []
    for holder in held_leases(record):
        following = yield from _look_at(holder.id, record, ports)
        if following is not None:
            again.append(following)
    if again:
        _remind(path, again, ports)


def _look_at(lease_id: str, record: Record, ports: Ports) -> _Looked:
    """Do what one lease needs; returns when to look at it again."""
    lease, now = ports.leases.read(lease_id), ports.clock.now()
    if lease is None or lease.expires <= now:
        return (yield from _ended(lease_id, "gone" if lease is None else "irrevocable", record, ports))
    if lease.due > now + SOON:  # a reminder comes with its minute, which is up to a minute early
        return lease.due
    try:
        granted = ports.leases.renew(lease_id) if lease.renewable else 0.0
    except Unavailable:  # its database is down: it lasts a while yet, and no dead letter keeps it alive
        return now + SOON
    if granted <= 0:
        fixed = "fixed" if ports.leases.read(lease_id) is not None else "gone"
        return (yield from _ended(lease_id, fixed, record, ports, left=lease.expires - now))
    expires = now + timedelta(seconds=granted)
    capped = granted < lease.granted.total_seconds() * _WORN - 1
    yield LeaseRenewed(path=record.path, lease=lease_id, expires=expires, capped=capped)
    if capped:
        yield from _replaced(lease_id, record, ports)
        return now + _share(timedelta(seconds=granted))
    return Lease(lease_id, lease.issued, expires, granted, renewable=True, last_renewal=now).due


def _ended(lease_id: str, reason: str, record: Record, ports: Ports, left: timedelta = LATER * 2) -> _Looked:
    if lease_id != current_lease(record) or not needed(record.manifest, record.path, ports):
        return None  # what consumers are to have is another one, or nothing: revoke and the sweep see to the rest
    yield LeaseExpired.model_validate(
        {"path": record.path, "lease": lease_id, "reason": reason, "explanation": _ADVICE[reason]}
    )
    yield from _replaced(lease_id, record, ports)
    return ports.clock.now() + _share(left)


def _replaced(lease_id: str, record: Record, ports: Ports) -> Iterator[Event]:
    """Order a new credential in place of the one that consumers are to have; one under way is joined."""
    if lease_id != current_lease(record) or not needed(record.manifest, record.path, ports):
        return
    head = ports.authority.head(record.path)
    base = head.version if head is not None else None
    attempt = attempt_after(record, base) if record.phase in ENDED else record.attempt
    yield RotationRequested(
        path=record.path, policy="planned", base=base, attempt=attempt, by="lease", expires=expiry(ports),
        reason="the lease of its credential ends and cannot be prolonged",
    )  # fmt: skip


def _share(left: timedelta) -> timedelta:
    """When to look again at what is being replaced: ever sooner, as a replacement may fail."""
    return max(SOON, min(LATER, left / 2))


# --- ending what nobody needs -----------------------------------------------------------------------------------------


def _retract(order: RetractRequested, ports: Ports) -> Iterator[Event]:
    """Revoke the leases of a path that nobody asks for any more, as the sweep ordered; everything is rechecked."""
    if ports.clock.now() > order.expires:
        return  # the sweep orders again what is still due
    tombstone = ports.tombstones.read(order.tombstone)
    if tombstone is None or tombstone.policy != POLICY or tombstone.due > ports.clock.now():
        return
    path = tombstone.target
    if not isinstance(path, PathRef):
        raise Reject(f"the tombstone {tombstone.id} is about no path; remove it")
    if reason := ports.suspensions.reason(path, tombstone.manifest):
        yield _told(tombstone, "held", f"writing is suspended: {reason}")
    elif not ports.wiring.complete():
        yield _told(tombstone, "held", "the wiring cannot be read as a whole; nothing is revoked until it can")
    elif not still_absent(tombstone, ports):
        yield _told(tombstone, "withdrawn", "it is wired again")
    else:
        yield from _revoke(path, tombstone, ports)


def _revoke(path: PathRef, tombstone: Tombstone, ports: Ports) -> Iterator[Event]:
    record = ports.rotations.read(path)
    try:
        for holder in held_leases(record) if record is not None else ():
            ports.leases.revoke(holder.id)
            yield LeaseRevoked(path=path, lease=holder.id, explanation="no manifest asks for its credential any more")
    except Unavailable as failed:  # the sweep orders it again: this is no dead letter
        yield _told(tombstone, "held", failed.reason)
        return
    yield _told(tombstone, "retracted", "its leases are revoked")


def _told(tombstone: Tombstone, outcome: str, explanation: str) -> SecretRetracted:
    return SecretRetracted.model_validate(
        {
            "target": tombstone.target,
            "manifest": tombstone.manifest,
            "tombstone": tombstone.id,
            "outcome": outcome,
            "explanation": explanation[:512],
        }
    )


STEP = Step(
    name="renew",
    does="Prolongs leases in time, orders a new credential where it cannot, and revokes those that nobody needs.",
    consumes=(LeaseExpiring, RotationApplied, RotationPromoted, ScheduleTicked, RetractRequested),
    emits=(LeaseRenewed, LeaseExpired, LeaseRevoked, RotationRequested, SecretRetracted),
    needs=frozenset(
        {
            Capability.ROTATION_READ,
            Capability.LEASE_READ,
            Capability.LEASE_RENEW,
            Capability.LEASE_REVOKE,
            Capability.AUTHORITY_METADATA,
            Capability.REMINDER_WRITE,
            Capability.TOMBSTONE_READ,
        }
    ),
    handle=handle,
)
