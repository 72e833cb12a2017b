"""triage: make of a report what it is: a secret of ours that must be replaced, or nothing.

Reports are taken alike whoever sends them and whatever they say; what came of one is told in facts, never to the
reporter. By itself it has secrets rotated without grace, at most so many in an hour. Revoking before there is a new
credential it starts only where the secret's owner opted in, the reporter is one who may, and the fingerprint tells that
the value itself is out; everything else waits for `lockstep leak confirm`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from events.event import Event
from events.leak import (
    Exposure,
    IndexRequested,
    LeakConfirmed,
    LeakDismissed,
    LeakHeld,
    LeakReported,
    TriageRequested,
)
from events.rotation import RotationRequested
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._failures import Conflict, Reject, Retry
from functions._leak_joining import answered, forget, taken_in, waiting
from functions._leak_limits import Slots, charged, trust_of
from functions._leak_mapping import Found, Mapped, mapped, wired
from functions._leak_pruning import prune
from functions._leak_records import (
    LATER,
    SCHEDULE,
    SOON,
    begun,
    dismissed_until,
    happened,
    heard,
    keep,
    reminded,
    said,
    underway,
)
from functions._leak_seen import Seen
from functions._leak_standing import about, decided, stopped
from functions._leaks import Leak
from functions._orders import expiry, refuse_expired
from functions._ports import Ports
from functions._step import Step

ATTEMPTS = 4
_ENDED = ("failed", "aborted")


def handle(event: LeakReported | TriageRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Map the finding, decide, have done what is to be done, and tell it."""
    if not isinstance(event, ScheduleTicked):
        yield from _again(event, ports)
    elif event.schedule.name == SCHEDULE:
        for leak in reminded("triage", ports):
            try:
                yield from _again(leak, ports)
            except (Retry, Reject):
                continue  # its reminder stays: the next tick looks again, and it holds up no other
        prune(ports)


def _again(event: LeakReported | TriageRequested | Leak, ports: Ports) -> tuple[Event, ...]:
    for _ in range(ATTEMPTS):
        try:
            return _attempt(event, ports)
        except Conflict:
            continue
    raise Retry("the record of a leak changes faster than it can be compared and set")


def _attempt(event: LeakReported | TriageRequested | Leak, ports: Ports) -> tuple[Event, ...]:
    with Seen(ports) as seen:
        if isinstance(event, Leak):
            return _reminded(event, seen, ports)
        if isinstance(event, TriageRequested):
            return _decided(event, ports.leaks.read(event.leak), seen, ports)
        if event.path is not None and wired(event.path, ports):
            seen.ask(event.path)
        return _reported(event, ports.leaks.read(event.leak), seen, ports)


def _reported(event: LeakReported, known: Leak | None, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    leak = heard(known, event, ports) if known is not None else begun(event, ports)
    if leak.state in ("confirmed", "contained") and not leak.held:
        return _told(keep(leak, known, leak.due, ports), seen, ports)
    if leak.state == "dismissed" and leak.dismissed == "operator":
        return _told(keep(leak, known, dismissed_until(leak, ports), ports), seen, ports)
    return _look(leak, known, seen, ports, ask=True)


def _reminded(leak: Leak, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    """Decide what waits; what was decided and is not known to have been heard is told again."""
    if leak.state == "dismissed":
        forget(leak, ports)
        return ()
    if leak.state == "confirmed" and not leak.held:
        return _told(keep(leak, leak, ports.clock.now() + SOON, ports), seen, ports)
    return _look(leak, leak, seen, ports, ask=True)


# --- what operators decide -------------------------------------------------------------------------------------------


def _decided(order: TriageRequested, leak: Leak | None, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    if leak is None and order.decision == "look":
        return ()  # it joined another since, or was forgotten
    if leak is None:
        raise Reject(f"there is no leak {order.leak}; `lockstep leak list` shows them")
    if order.decision == "look":
        # It is the index that says so: asking it again at once would go round in a circle.
        return _look(leak, leak, seen, ports, ask=False) if leak.state == "reported" else _told(leak, seen, ports)
    refuse_expired(order, ports)
    if order.decision == "attest":
        return _attested(order, leak, seen, ports)
    if leak.state == "contained":
        raise Reject(f"leak {leak.id} is contained already")
    if order.decision == "dismiss":
        dismissed = replace(leak, state="dismissed", dismissed="operator", decided_by=order.by, held="", missing=())
        dismissed = happened(dismissed, "dismissed", order.by, ports, order.reason)
        for path in leak.paths:
            ports.leaks.unlink(path, leak.id)
        return _told(keep(dismissed, leak, dismissed_until(dismissed, ports), ports), seen, ports)
    return _confirmed(order, leak, seen, ports)


def _confirmed(order: TriageRequested, leak: Leak, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    if leak.state == "confirmed" and not leak.held:
        return _resumed(order, leak, seen, ports)
    named = leak
    if order.path is not None:
        if not wired(order.path, ports):
            raise Reject(f"{order.path} is not wired; `lockstep status` shows what is")
        version = leak.version if order.path == leak.path else None
        named = replace(leak, path=order.path, key=order.key, version=version, pinned=None, match="operator")
    found = mapped(named, seen, ports, wait=False)
    if not found.found:
        raise Reject(f"leak {leak.id} leads to no secret; name it with --path MOUNT/PATH, or dismiss the leak")
    named = happened(replace(named, dismissed="", decided_by=order.by), "confirmed", order.by, ports, order.reason)
    return _respond(named, leak, found, seen, ports, confirmed=True)


def _resumed(order: TriageRequested, leak: Leak, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    """It is confirmed already; what failed or was given up since is rotated again: this asks for it, no alert does."""
    again = {str(one.path): record.attempt + 1 for one, record in stopped(leak, seen.rotation)}
    if not again:
        return _told(leak, seen, ports)
    resumed = replace(leak, attempts={**leak.attempts, **again}, decided_by=order.by, told=False)
    resumed = happened(resumed, "confirmed", order.by, ports, order.reason)
    return _told(keep(resumed, leak, ports.clock.now() + SOON, ports), seen, ports)


def _attested(order: TriageRequested, leak: Leak, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    if leak.state != "confirmed":
        raise Reject(f"leak {leak.id} is {leak.state}; only one that is confirmed waits to be contained")
    attested = happened(replace(leak, attested_by=order.by), "attested", order.by, ports, order.reason)
    return _told(keep(attested, leak, leak.due, ports), seen, ports)


# --- what triage finds -----------------------------------------------------------------------------------------------


def _look(leak: Leak, known: Leak | None, seen: Seen, ports: Ports, *, ask: bool) -> tuple[Event, ...]:
    found = mapped(leak, seen, ports)
    leak = replace(leak, pinned=found.pinned or leak.pinned)
    if found.unindexed:
        waiting = keep(replace(leak, state="reported", dismissed=""), known, _soon(known, ports), ports)
        return (_index(waiting, ports),) if ask else ()
    if found.dismissed:
        reason = found.why or "by its path or key"
        dismissed = replace(leak, state="dismissed", dismissed=found.dismissed, decided_by="triage", held="")
        dismissed = happened(dismissed, "dismissed", "triage", ports, f"{found.dismissed}: {reason}")
        return _dismissed(dismissed, known, seen, ports)
    host = answered(leak, known, found.found, seen, ports)
    if host is not None:
        return _joined(host, leak, known, found, ports)
    return _respond(leak, known, found, seen, ports, confirmed=False)


def _dismissed(leak: Leak, known: Leak | None, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    for path in leak.paths:
        ports.leaks.unlink(path, leak.id)
    return _told(keep(leak, known, dismissed_until(leak, ports), ports), seen, ports)


def _joined(host: Leak, leak: Leak, known: Leak | None, found: Mapped, ports: Ports) -> tuple[Event, ...]:
    """What is out is known to be, and answered: the older finding speaks for this one, whatever its reporter may."""
    grown = taken_in(host, leak, found.found, ports)
    if known is not None:
        forget(known, ports)
    return said(grown) if grown.exposures != host.exposures else ()


def _respond(
    leak: Leak, known: Leak | None, found: Mapped, seen: Seen, ports: Ports, *, confirmed: bool
) -> tuple[Event, ...]:
    """Decide for each secret by itself: one that waits holds up no other."""
    held, slots = set[str](), Slots(charged(leak.reporters, ports.settings), seen.budget, ports)
    exposures = tuple(_exposure(one, leak, found, slots, ports, held=held, confirmed=confirmed) for one in found.found)
    leak = replace(leak, match=leak.match or found.match, exposures=exposures, consumers=_consumers(found, ports))
    leak = replace(leak, held=_worst(held), attempts=_attempts(leak, known, seen))
    if all(one.standing == "ignored" for one in exposures):
        leak = replace(leak, state="dismissed", dismissed="policy", decided_by="triage")
        return _dismissed(happened(leak, "dismissed", "triage", ports, "policy"), known, seen, ports)
    waits = all(one.standing in ("held", "ignored") for one in exposures)
    if waits and not confirmed and (host := waiting(leak, known, found.found, seen, ports)) is not None:
        return _joined(host, leak, known, found, ports)
    if waits:
        leak = happened(replace(leak, state="reported", dismissed=""), "held", "triage", ports, leak.held)
    else:
        leak = replace(leak, state="confirmed", dismissed="", decided_by=leak.decided_by if confirmed else "triage")
        leak = happened(leak, "confirmed", leak.decided_by, ports, f"by {leak.match}") if not confirmed else leak
        leak = replace(leak, missing=underway(leak))
    # Before the record says so: whoever looks them up by path must find it, and nothing is done beyond a limit.
    links = [partial(ports.leaks.link, path, leak.id) for path in leak.paths]
    return _told(keep(leak, known, _next(leak, known, ports), ports, (*links, *slots.writes())), seen, ports)


def _exposure(
    found: Found, leak: Leak, whole: Mapped, slots: Slots, ports: Ports, *, held: set[str], confirmed: bool
) -> Exposure:
    known = decided(found, ports)
    rotation = ports.wiring.rotation_of_path(found.path)
    if known is not None or rotation is None:
        return found.exposed(known or "owner")
    policy = rotation.spec.leak
    if policy.response == "ignore" and not confirmed:
        return found.exposed("ignored")
    if ports.suspensions.reason(found.path, rotation.ref) and not policy.override_suspension:
        held.add("suspended")
        return found.exposed("held")
    if confirmed:
        return found.exposed("rotating")
    trust = trust_of(leak.reporters, ports.settings)
    revokes_first = policy.response == "revoke-first"
    if trust == "report" or (revokes_first and (trust != "revoke-first" or whole.match != "fingerprint")):
        held.add("needs-confirmation")
        return found.exposed("held")
    if not slots.take(found):
        held.add("budget")
        return found.exposed("held")
    return found.exposed("rotating")


def _attempts(leak: Leak, known: Leak | None, seen: Seen) -> dict[str, int]:
    """Which attempt of each rotation is asked for. Looked at again it is the same: what was given up stays so."""
    before = known if known is not None and known.state == "confirmed" else None
    exposed = before.exposures if before is not None else ()
    known_attempts = before.attempts if before is not None else {}
    asked = {(one.path, one.version): known_attempts.get(str(one.path)) for one in exposed}
    return {
        str(one.path): asked.get((one.path, one.version)) or _attempt_of(one, seen)
        for one in leak.exposures
        if one.standing == "rotating"
    }


def _attempt_of(exposure: Exposure, seen: Seen) -> int:
    record = seen.rotation(exposure.path)
    if record is None or not about(record, exposure.version):
        return 1
    return record.attempt + 1 if record.phase in _ENDED else record.attempt


def _worst(held: set[str]) -> str:
    """The reason that needs somebody most."""
    return next((one for one in ("needs-confirmation", "suspended", "budget") if one in held), "")


def _consumers(found: Mapped, ports: Ports) -> tuple[str, ...]:
    names = {str(one.target) for each in found.found for one in ports.wiring.consumers_of_path(each.path)}
    return tuple(sorted(names))[:256]


def _soon(known: Leak | None, ports: Ports) -> datetime:
    now = ports.clock.now()
    return known.due if known is not None and known.due is not None and known.due > now else now + SOON


def _next(leak: Leak, known: Leak | None, ports: Ports) -> datetime | None:
    """When to look again: at what waits for room or for an end of a suspension, from time to time; at what waits for
    an operator, never by itself. A confirmed one is containment's to follow."""
    now = ports.clock.now()
    if not leak.held:
        return _soon(known, ports) if leak.state == "confirmed" else None
    return now + LATER if leak.held != "needs-confirmation" or leak.state == "confirmed" else None


# --- what is told ----------------------------------------------------------------------------------------------------


def _told(leak: Leak, seen: Seen, ports: Ports) -> tuple[Event, ...]:
    if leak.state != "confirmed":
        return said(leak)
    # What failed is the sweep's to try again, after pauses that grow; what was given up is an operator's.
    over = [one for one, _ in stopped(leak, seen.rotation)]
    asked = (one for one in leak.exposures if one.standing == "rotating" and one not in over)
    return (*said(leak), *(_rotation(one, leak, seen, ports) for one in asked))


def _rotation(exposure: Exposure, leak: Leak, seen: Seen, ports: Ports) -> RotationRequested:
    return RotationRequested(
        path=exposure.path, policy="leak", base=exposure.version, by="triage", expires=expiry(ports),
        attempt=leak.attempts.get(str(exposure.path)) or _attempt_of(exposure, seen),
        reason="its value is known to be out",
    )  # fmt: skip


def _index(leak: Leak, ports: Ports) -> IndexRequested:
    return IndexRequested(
        leak=leak.id, since=leak.received, expires=expiry(ports), reason="no secret that is known has this fingerprint"
    )


STEP = Step(
    name="triage",
    does="Maps reported leaks to secrets, confirms or dismisses them, and has what leaked rotated, within limits.",
    consumes=(LeakReported, TriageRequested, ScheduleTicked),
    emits=(LeakConfirmed, LeakHeld, LeakDismissed, RotationRequested, IndexRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_METADATA,
            Capability.LEAK_READ,
            Capability.LEAK_WRITE,
            Capability.LEAK_REMOVE,
            Capability.INDEX_READ,
            Capability.ROTATION_READ,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
