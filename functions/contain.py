"""contain: follow a confirmed leak until what leaked is of no use, and remember that it must not come back.

A leak is contained when the old credential is refused (a rotation tried it and saw that), every consumer has moved, and
no lease of it lives. Nothing less closes it: an alert that is resolved says only that nobody sees it any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from events.event import Event
from events.leak import LeakConfirmed, LeakContained
from events.references import PathRef, Version
from events.rotated import RotationCompleted, RotationRevoked
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._containment import lacking
from functions._failures import Conflict, Reject, Retry
from functions._leak_records import LATER, SCHEDULE, SOON, contained, happened, keep, noted, reminded, underway
from functions._leak_standing import stopped
from functions._leaks import Indexed, IndexedVersion, Leak
from functions._ports import Ports, StoredSecret
from functions._revoked import key_version, with_revoked
from functions._shards import START
from functions._step import Step
from functions._telling import telling

Revoked = tuple[PathRef, Version]

ATTEMPTS = 4
_TELLING = timedelta(seconds=5)  # that containment takes to be told, at most
_EAGER = timedelta(minutes=15)  # after this, what is missing waits for people, and is looked at less often


def handle(
    event: LeakConfirmed | LeakContained | RotationRevoked | RotationCompleted | ScheduleTicked, ports: Ports
) -> Iterator[Event]:
    """Look at the leaks that the event is about; what was revoked is remembered, leak or not."""
    if isinstance(event, ScheduleTicked):
        yield from _ticked(event, ports)
    elif isinstance(event, LeakConfirmed):
        yield from _look(event.leak, ports, set(), told=True)
    elif isinstance(event, LeakContained):
        _accepted(event, ports)
    else:
        unknown, done = "", set[Revoked]()
        if isinstance(event, RotationRevoked) and (revoked := event.revoked or event.base) is not None:
            unknown = _remember(event.path, revoked, ports, done, once=True)
        for leak in ports.leaks.of_path(event.path):
            yield from _look(leak, ports, done)
        if unknown:  # last: it holds up nothing, and somebody has to know
            raise Reject(unknown)


def _ticked(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    start = event.schedule.name == START
    if start:  # whoever found one contained may have died before it was durable that they had said so
        soon = ports.reminders.due("contain", ports.clock.now() + 2 * SOON)
        leaks = tuple(one.subject.removeprefix("leaks/") for one in soon)
    else:
        leaks = tuple(one.id for one in reminded("contain", ports)) if event.schedule.name == SCHEDULE else ()
    for leak in leaks:
        try:
            yield from _look(leak, ports, set(), patient=not start)
        except (Retry, Reject):
            continue  # its reminder stays: the next tick looks again, and it holds up no other


def _look(
    leak: str, ports: Ports, done: set[Revoked], *, told: bool = False, patient: bool = True
) -> tuple[Event, ...]:  # fmt: skip
    """`done` is what this delivery remembered already; `patient`: whoever found it contained may be about to tell."""
    for _ in range(ATTEMPTS):
        try:
            return _attempt(leak, ports, done, told=told, patient=patient)
        except Conflict:
            continue
    raise Retry("the record of a leak changes faster than it can be compared and set")


def _attempt(leak_id: str, ports: Ports, done: set[Revoked], *, told: bool, patient: bool) -> tuple[Event, ...]:
    """`told`: that it is confirmed was told, and so need not be told again."""
    known = ports.leaks.read(leak_id)
    if known is None or known.state not in ("confirmed", "contained"):
        return ()
    if known.state == "contained":
        # Until it is known to have been accepted.
        return () if patient and _being_told(known, ports) else (contained(known),)
    if told and _begins(known, ports):
        return ()
    missing = lacking(known, ports)
    if missing:
        leak = replace(known, missing=missing, told=known.told or told)
        for one, record in stopped(leak, ports.rotations.read):
            how = "was given up" if record.phase == "aborted" else "failed"
            leak = noted(leak, "stopped", "contain", ports, f"{one.path}: rotation {record.attempt} {how}")
        keep(leak, known, _next(known, ports), ports)
        return ()
    unknown = [
        # Who vouched for one property did not for what stands beside it.
        _remember(one.path, one.version, ports, done, whole=one.standing != "owner" or one.key is None)
        for one in known.exposures
        if one.standing != "ignored" and (one.path, one.version) not in done
    ]
    leak = replace(known, state="contained", missing=(), contained=ports.clock.now())
    detail = "; ".join(dict.fromkeys(one for one in unknown if one))
    leak = keep(happened(leak, "contained", "contain", ports, detail), known, ports.clock.now() + SOON, ports)
    return (contained(leak),)


def _being_told(leak: Leak, ports: Ports) -> bool:
    """Whether whoever found it contained is about to tell; should that one have died, its reminder tells."""
    return leak.contained is not None and ports.clock.now() < leak.contained + _TELLING


def _begins(leak: Leak, ports: Ports) -> bool:
    """Whether its rotations begin that were asked for along with its confirmation.

    Those are in a hurry, and a look, which would find nothing, is not to be in their way. That the confirmation came
    here is noted when triage tells it again, if it has to: most leaks are contained by then.
    """
    began = next((one.at for one in reversed(leak.timeline) if one.what == "confirmed"), leak.received)
    return not leak.told and bool(underway(leak)) and ports.clock.now() < began + SOON


def _accepted(event: LeakContained, ports: Ports) -> None:
    """The fact is in the timeline of everybody who asks: there is nothing left to look at."""
    for _ in range(ATTEMPTS):
        known = ports.leaks.read(event.leak)
        if known is None or known.state != "contained":
            return
        for path in known.paths:
            ports.leaks.settle(path, known.id)
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


def _remember(
    path: PathRef, version: Version, ports: Ports, done: set[Revoked], *, whole: bool = True, once: bool = False
) -> str:
    """Have the values of this version refused whenever somebody would publish them here again.

    `whole`: all of it is known to be revoked, so that no other finding of it asks for anything. What of it can never be
    recognised, as a sentence for people; "" where everything can; with `once`, also where it was asked before. What is
    remembered as a whole is added to `done`.
    """
    for _ in range(ATTEMPTS):
        try:
            indexed = ports.index.read(path) or Indexed(path)
            held = indexed.held(version) or IndexedVersion(version, looked=False)
            prints = _into_claim(path, held, ports)
            remembered = {**held.remembered, **(prints or {})}
            _into_index(replace(held, remembered=remembered, revoked=whole or held.revoked), indexed, ports)
        except Conflict:
            continue
        if prints is not None and whole:
            done.add((path, version))
        if prints is not None or (once and held.revoked):
            return ""
        return (
            f"version {version} of {path} is deleted, and was before its values were fingerprinted: "
            "nobody can tell if they are published there again"
        )
    raise Retry(f"the claim of {path} changes faster than it can be compared and set")


def _into_claim(path: PathRef, held: IndexedVersion, ports: Ports) -> Mapping[str, str] | None:
    """What is known of the version from now on, by key; None where it can be known no more."""
    claim, newest = ports.claims.read(path), _given(path, ports)
    if claim is None or (newest is not None and newest.version == held.version):
        return {}  # nobody publishes there, or it is what consumers are given: it is asked again when it is replaced
    prints = _prints(path, held, newest, ports)
    if prints:
        wanted = with_revoked(claim, prints.values(), ports)
        if wanted != claim:
            ports.claims.update(wanted)
    return prints


def _prints(
    path: PathRef, held: IndexedVersion, newest: StoredSecret | None, ports: Ports
) -> Mapping[str, str] | None:  # fmt: skip
    """What its values are recognised by, but those that stay in use; None where nobody knows them any more.

    What stayed the same was not revoked: a user name beside the password, a certificate of the same authority.
    """
    now = dict(newest.data or {}) if newest is not None else {}
    stored = ports.authority.read(path, held.version)
    if stored is not None and stored.data is not None:
        values = telling(path, {key: value for key, value in stored.data.items() if now.get(key) != value})
        made = ports.fingerprints.of("revoked", tuple(values.values())) if values else ()
        return dict(zip(values, made, strict=True))
    if not held.remembered and (not held.looked or held.keys):
        return None
    found, used = dict(held.remembered), telling(path, now)
    for made_by in sorted({key_version(one) for one in found.values()}) if used else ():
        current = zip(used, ports.fingerprints.of("revoked", tuple(used.values()), made_by), strict=True)
        for key, fingerprint in current:
            if found.get(key) == fingerprint:
                del found[key]
    return found


def _given(path: PathRef, ports: Ports) -> StoredSecret | None:
    """What consumers are given: what the origin confirmed, whatever somebody else wrote over it."""
    confirmed = ports.publications.read(path)
    return ports.authority.read(path, confirmed.version if confirmed is not None else None)


def _into_index(held: IndexedVersion, indexed: Indexed, ports: Ports) -> None:
    number = held.version.number
    known = indexed.versions.get(number)
    if known is not None and known.version != held.version:  # the path began anew since
        return
    if known != held and (held.revoked or known is not None):
        ports.index.write(replace(indexed, versions={**indexed.versions, number: held}))


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
    proves=(LeakConfirmed, LeakContained),
)
