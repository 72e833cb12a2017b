"""contain: follow a confirmed leak until what leaked is of no use, and remember that it must not come back.

A leak is contained when the old credential is refused (a rotation tried it and saw that), every consumer has moved, and
no lease of it lives. Nothing less closes it: an alert that is resolved says only that nobody sees it any more.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from events.event import Event
from events.leak import LeakConfirmed, LeakContained
from events.references import PathRef, Version
from events.rotation import RotationCompleted, RotationRevoked
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._containment import lacking
from functions._failures import Conflict, Reject, Retry
from functions._leak_records import LATER, SCHEDULE, SOON, contained, happened, keep, reminded
from functions._leaks import Indexed, IndexedVersion, Leak
from functions._ports import Ports, StoredSecret
from functions._revoked import with_revoked
from functions._step import Step
from functions._telling import telling

ATTEMPTS = 4
_EAGER = timedelta(minutes=15)  # after this, what is missing waits for people, and is looked at less often


def handle(
    event: LeakConfirmed | LeakContained | RotationRevoked | RotationCompleted | ScheduleTicked, ports: Ports
) -> Iterator[Event]:
    """Look at the leaks that the event is about; what was revoked is remembered, leak or not."""
    if isinstance(event, ScheduleTicked):
        yield from _ticked(event, ports)
    elif isinstance(event, LeakConfirmed):
        yield from _look(event.leak, ports, told=True)
    elif isinstance(event, LeakContained):
        _accepted(event, ports)
    else:
        if isinstance(event, RotationRevoked) and event.base is not None:
            _remember(event.path, event.base, ports)
        for leak in ports.leaks.of_path(event.path):
            yield from _look(leak, ports)


def _ticked(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    if event.schedule.name != SCHEDULE:
        return
    for leak in reminded("contain", ports):
        try:
            yield from _look(leak.id, ports)
        except (Retry, Reject):
            continue  # its reminder stays: the next tick looks again, and it holds up no other


def _look(leak: str, ports: Ports, *, told: bool = False) -> tuple[Event, ...]:
    for _ in range(ATTEMPTS):
        try:
            return _attempt(leak, ports, told=told)
        except Conflict:
            continue
    raise Retry("the record of a leak changes faster than it can be compared and set")


def _attempt(leak_id: str, ports: Ports, *, told: bool) -> tuple[Event, ...]:
    """`told`: that it is confirmed was told, and so need not be told again."""
    known = ports.leaks.read(leak_id)
    if known is None or known.state not in ("confirmed", "contained"):
        return ()
    if known.state == "contained":
        return (contained(known),)  # told until it is known to have been accepted
    missing = lacking(known, ports)
    if missing:
        keep(replace(known, missing=missing, told=known.told or told), known, _next(known, ports), ports)
        return ()
    for one in known.exposures:
        _remember(one.path, one.version, ports)
    leak = replace(known, state="contained", missing=(), contained=ports.clock.now())
    leak = keep(happened(leak, "contained", "contain", ports), known, ports.clock.now() + SOON, ports)
    return (contained(leak),)


def _accepted(event: LeakContained, ports: Ports) -> None:
    """The fact is in the timeline of everybody who asks: there is nothing left to look at."""
    for _ in range(ATTEMPTS):
        known = ports.leaks.read(event.leak)
        if known is None or known.state != "contained":
            return
        for path in known.paths:
            ports.leaks.unlink(path, known.id)
        try:
            keep(known, known, None, ports)
        except Conflict:
            continue
        return
    raise Retry("the record of a leak changes faster than it can be compared and set")


def _next(leak: Leak, ports: Ports) -> datetime:
    now = ports.clock.now()
    if leak.due is not None and leak.due > now:
        return leak.due
    return now + (SOON if now - leak.received < _EAGER else LATER)


# --- what was revoked is known as such -------------------------------------------------------------------------------


def _remember(path: PathRef, version: Version, ports: Ports) -> None:
    """Have the values of this version refused whenever somebody would publish them here again."""
    for _ in range(ATTEMPTS):
        try:
            _into_claim(path, version, ports)
            _into_index(path, version, ports)
        except Conflict:
            continue
        return
    raise Retry(f"the claim of {path} changes faster than it can be compared and set")


def _into_claim(path: PathRef, version: Version, ports: Ports) -> None:
    claim = ports.claims.read(path)
    stored = ports.authority.read(path, version)
    newest = _given(path, ports)
    if claim is None or stored is None or stored.data is None or newest is None or newest.version == version:
        return
    now = dict(newest.data or {})
    # What stayed the same was not revoked: a user name beside the password, a certificate of the same authority.
    changed = {key: value for key, value in stored.data.items() if now.get(key) != value}
    values = telling(path, changed)
    if not values:
        return
    wanted = with_revoked(claim, ports.fingerprints.of("revoked", tuple(values.values())))
    if wanted != claim:
        ports.claims.update(wanted)


def _given(path: PathRef, ports: Ports) -> StoredSecret | None:
    """What consumers are given: what the origin confirmed, whatever somebody else wrote over it."""
    confirmed = ports.publications.read(path)
    return ports.authority.read(path, confirmed.version if confirmed is not None else None)


def _into_index(path: PathRef, version: Version, ports: Ports) -> None:
    indexed = ports.index.read(path) or Indexed(path)
    other = indexed.versions.get(version.number)
    held = indexed.held(version) or IndexedVersion(version, looked=False)
    if held.revoked or (other is not None and other.version != version):  # the path began anew since
        return
    ports.index.write(replace(indexed, versions={**indexed.versions, version.number: replace(held, revoked=True)}))


STEP = Step(
    name="contain",
    does="Follows confirmed leaks until what leaked is refused and consumers have moved; remembers what was revoked.",
    consumes=(LeakConfirmed, LeakContained, RotationRevoked, RotationCompleted, ScheduleTicked),
    emits=(LeakContained,),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.TARGET_METADATA,
            Capability.PUBLICATION_READ,
            Capability.CLAIM_READ,
            Capability.CLAIM_WRITE,
            Capability.ROTATION_READ,
            Capability.ROLLOUT_READ,
            Capability.LEASE_READ,
            Capability.LEAK_READ,
            Capability.LEAK_WRITE,
            Capability.INDEX_READ,
            Capability.INDEX_WRITE,
            Capability.FINGERPRINT_REVOKED,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
