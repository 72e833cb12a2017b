"""create: begin the rotation of a path, or join the one under way, and stage a new credential apart from live values.

The order decides nothing but where to look: base and attempt tell whether it was carried out already. A value is made
once; whoever comes again finds the staged one.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta

from events.event import Event
from events.references import Version
from events.rotated import RotationFailed, RotationStaged
from events.rotation import PhaseRequested, RotationRequested
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._failures import Conflict, Reject, Retry
from functions._manifests.rotation import Rotation
from functions._ports import Claim, Ports, Publication, StoredSecret
from functions._rotation_base import Base, based, confirm, current
from functions._rotation_claims import foreign, hold, ours
from functions._rotation_due import renewed
from functions._rotation_facts import awaits_revocation, fact
from functions._rotation_naming import attempt_after, began_from, rotation_id
from functions._rotation_records import (
    ATTEMPTS,
    SOON,
    Events,
    GivenUp,
    Stuck,
    acted,
    advance,
    ask,
    keep,
    look,
    ticked,
)
from functions._rotation_rights import check_asked, limits_of, refuse_producers, refused, refused_strategy, terms_of
from functions._rotation_slots import broken_until, take
from functions._rotation_systems import opened
from functions._rotation_values import content, generated, successor
from functions._rotations import ENDED, Holder, Next, Record, Staged
from functions._step import Step
from functions._systems import System
from functions._windows import next_opening, parse

_IN_LINE = timedelta(minutes=5)  # whoever gives a slot back says so at once; this is for slots that expire


def handle(event: RotationRequested | PhaseRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Begin, join, or stage what is begun."""
    if isinstance(event, ScheduleTicked):
        for record in ticked("create", event, ports):
            yield from renewed(record, ports) if record.phase in ENDED else (ask(record, ports),)
    elif isinstance(event, RotationRequested):
        yield from _requested(event, ports)
    elif event.step in (None, "create"):
        yield from look("create", event.path, event.rotation, ports, lambda record: _act(record, ports))


def _requested(event: RotationRequested, ports: Ports) -> Events:
    for _ in range(ATTEMPTS):
        try:
            with ExitStack() as asked:
                beside = _asked(event, asked, ports)
                known = ports.rotations.read(event.path)
                if known is not None and known.phase not in ENDED:
                    return _join(known, event, ports)
                return _begin(known, event, beside, ports)
        except Conflict:
            continue  # somebody moved between our read and our write: read everything again
    raise Retry(f"the rotation of {event.path} moves faster than it can be compared and set")


@dataclass(frozen=True, slots=True)
class _Beside:
    """What is asked for beside the record: the path's newest version, and its claim. Each may be called once."""

    stored: Callable[[], StoredSecret | None]
    claim: Callable[[], Claim | None]


def _asked(event: RotationRequested, asked: ExitStack, ports: Ports) -> _Beside:
    if ports.wiring.rotation_of_path(event.path) is None:  # nobody lets us look there
        return _Beside(lambda: ports.authority.read(event.path), lambda: ports.claims.read(event.path))
    stored = asked.enter_context(ports.authority.reading(event.path))
    return _Beside(stored, asked.enter_context(ports.claims.reading(event.path)))


def _act(record: Record, ports: Ports) -> Events:
    if record.phase == "requested":
        return _stage(record, ports)
    told = fact(record) if record.phase == "staged" else None  # its first telling may have been lost
    return (told,) if told is not None else ()


# --- joining -------------------------------------------------------------------------------------------------------


def _join(known: Record, event: RotationRequested, ports: Ports) -> Events:
    """A rotation is under way: it may become stricter, or be followed by another."""
    stricter = event.policy == "leak"
    if known.promoted is not None and event.base == known.promoted:
        joined = replace(known, following=_following(known.following, event))
    elif not _about(known, event.base):
        return ()
    else:
        joined = known
    if stricter:
        joined = replace(joined, policy="leak", trouble=None if known.policy != "leak" else known.trouble)
    if joined != known:
        joined = keep(joined, known, known.due, ports)
    # Said again where nothing changed: the first answer may have been lost.
    if stricter:
        return (ask(joined, ports, reason="its policy is stricter now"),)
    return acted("create", joined, ports, lambda record: _act(record, ports))


def _about(known: Record, base: Version | None) -> bool:
    """Whether an order about this version is about what is being replaced."""
    old = known.old.version if known.old is not None else None
    return began_from(known, base) or base == known.base or (base is not None and base == old)


def _following(known: Next | None, event: RotationRequested) -> Next:
    if known is None:
        return Next(event.policy, event.base, event.attempt, event.by)
    return replace(known, policy="leak") if event.policy == "leak" else known


# --- beginning -----------------------------------------------------------------------------------------------------


def _begin(known: Record | None, event: RotationRequested, beside: _Beside, ports: Ports) -> Events:
    rotation = _manifest(event, ports)
    stored, confirmed = beside.stored(), ports.publications.read(event.path)
    if not _current(event, stored, confirmed):
        return ()  # about a version that was replaced since
    attempt = _attempt(known, event)
    if attempt is None:
        return () if known is None or known.told else (ask(known, ports, reason="nobody told what became of it"),)
    if known is not None and not known.told:  # its end is told before the next one begins
        following = replace(known, following=_following(known.following, event))
        return (ask(following if following == known else keep(following, known, known.due, ports), ports),)
    claim = beside.claim()
    if why := foreign(claim, rotation, event.path, ports):
        raise Reject(why)
    record = _first(known, event, attempt, rotation, ports)
    if claim is not None and ours(claim, rotation, ports) and (told := _at_once(record, rotation, stored, ports)):
        return told
    return acted("create", ports.rotations.write(record), ports, lambda begun: _stage(begun, ports))


def _manifest(event: RotationRequested, ports: Ports) -> Rotation:
    """The manifest that lets the path be rotated. Raises Reject with what to mend."""
    refuse_producers(event.path, ports)
    rotation = ports.wiring.rotation_of_path(event.path)
    if rotation is None:
        raise Reject(f"{event.path} is rotated by no manifest; wire one Rotation for it, then rotate again")
    if reason := refused(rotation, event.path, ports):
        raise Reject(reason)
    return rotation


def _current(event: RotationRequested, stored: StoredSecret | None, confirmed: Publication | None) -> bool:
    newest = stored.version if stored is not None else None
    if event.base == newest or (confirmed is not None and event.base == confirmed.version):
        return True
    if event.base is not None and event.base.newer_than(newest):
        raise Retry(f"{event.path} was read older than version {event.base}, which the order names", after=0.2)
    return False


def _attempt(known: Record | None, event: RotationRequested) -> int | None:
    """Which attempt this is; None where it was made already. A leak is not held back by a planned one that failed."""
    if known is None or not began_from(known, event.base) or event.attempt > known.attempt:
        return event.attempt
    if event.policy == "leak" and known.policy == "planned" and known.phase != "completed":
        return attempt_after(known, event.base)
    return None


def _first(known: Record | None, event: RotationRequested, attempt: int, rotation: Rotation, ports: Ports) -> Record:
    now = ports.clock.now()
    held = (known.new if known.phase == "completed" else known.old) if known is not None else None
    return Record(
        path=event.path,
        id=rotation_id(event.path, event.base, attempt),
        manifest=rotation.ref,
        attempt=attempt,
        policy=event.policy,
        phase="requested",
        base=event.base,
        began=now,
        entered=now,
        by=event.by,
        terms=terms_of(rotation),
        old=held,
        orphans=known.orphans if known is not None else (),
        revision=known.revision if known is not None else 0,
    )


# --- staging -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Making:
    """What a new credential is made of: by which rules, in place of which, amid which content."""

    rotation: Rotation
    system: System
    base: Base
    old: Holder | None

    def account(self, record: Record) -> str:
        return successor(self.old, record.terms)


def _at_once(record: Record, rotation: Rotation, stored: StoredSecret | None, ports: Ports) -> Events:
    """Begun and staged by one write, where nothing stands in the way; nothing where it has to be begun first.

    Should we die before that write, whoever comes with the same order makes the same of it: its slot is known by the
    path, and what is staged by the rotation's id. Raises Conflict where another one began meanwhile.
    """
    if awaits_revocation(record):
        return ()
    try:
        check_asked(record, ports)
        if record.policy == "leak" and record.terms.strategy != "minted":
            making = _making(record, rotation, stored, ports)
            # A leak waits for neither window nor breaker, and seldom for a slot: both are written side by side.
            with ports.pending.creating(_new(record, making, ports)) as created:
                _await_turn(record, rotation, ports)
                staged: Staged | None = created()
        else:
            _await_turn(record, rotation, ports)
            making = _making(record, rotation, stored, ports)
            staged = ports.pending.create(_new(record, making, ports)) if record.terms.strategy != "minted" else None
    except (Stuck, GivenUp, Conflict):
        return ()
    return _advanced(record, making, staged, ports)


def _stage(record: Record, ports: Ports) -> Events:
    """Choose the new credential and keep it apart. Raises Stuck, GivenUp, Conflict."""
    rotation = check_asked(record, ports)
    if awaits_revocation(record):
        return (ask(record, ports),)
    _await_turn(record, rotation, ports)
    if hold(rotation, record.path, ports) is None:
        raise GivenUp("claim-lost")
    making = _making(record, rotation, ports.authority.read(record.path), ports)
    staged = _staged(record, making, ports) if record.terms.strategy != "minted" else None
    return _advanced(record, making, staged, ports)


def _advanced(record: Record, making: _Making, staged: Staged | None, ports: Ports) -> Events:
    version = staged.version if staged is not None else None
    try:
        moved = advance(record, "staged", ports, base=making.base.newest, old=making.old, staged=version)
    except Conflict:
        _tidy(record, staged, ports)
        raise
    told = fact(moved)
    return (told,) if told is not None else ()


def _await_turn(record: Record, rotation: Rotation, ports: Ports) -> None:
    """A window, a breaker, slots. Raises Stuck."""
    now, limits = ports.clock.now(), limits_of(record, ports)
    if record.policy == "planned":
        schedule = rotation.spec.schedule
        opens = next_opening(parse(schedule.window), now) if schedule is not None and schedule.window else None
        if opens is not None:
            _wait(record, rotation, Stuck("window", "its window is closed", until=opens), ports)
        if (until := broken_until(record, limits, ports)) is not None:
            _wait(record, rotation, Stuck("breaker", f"{record.terms.target} failed too often", until=until), ports)
    if not take(record, limits, ports):
        _wait(record, rotation, Stuck("budget", "others rotate", until=now + _IN_LINE), ports)


def _wait(record: Record, rotation: Rotation, stuck: Stuck, ports: Ports) -> None:
    """Wait in silence, until the credential is older than its owner allows."""
    age, base = rotation.spec.maximum_age, record.base
    if age is None or base is None or ports.clock.now() < base.created + timedelta(seconds=age) + SOON * 60:
        raise stuck
    raise Stuck("overdue", f"older than maximumAge, and waits: {stuck.detail}", until=stuck.until)


def _making(record: Record, rotation: Rotation, stored: StoredSecret | None, ports: Ports) -> _Making:
    system = opened(record, ports)
    if reason := refused_strategy(record.terms.target, record.terms.strategy, system.strategies):
        raise Stuck("not-allowed", reason)
    base = based(record, stored, ports)
    confirm(record, base, rotation.generation, ports)
    return _Making(rotation, system, base, current(record, base, system))


def _staged(record: Record, making: _Making, ports: Ports) -> Staged:
    """The staged value: the one that is there already, or a new one. Raises Conflict."""
    there = ports.pending.read(record.path)
    if there is not None:
        refused_one = record.regenerated and there.version == record.staged
        if (there.rotation, there.credential.account) == (record.id, making.account(record)) and not refused_one:
            return there
        ports.pending.remove(record.path, there.version)  # of a rotation that ended, or refused by the target
    return ports.pending.create(_new(record, making, ports))


def _new(record: Record, making: _Making, ports: Ports) -> Staged:
    """A new value, amid what else the path holds."""
    account = making.account(record)
    credential = generated(account, making.rotation.spec.generator, making.system, ports)
    made = content(making.base.data, credential, record.terms)
    return Staged(record.path, record.id, Holder(account), made)


def _tidy(record: Record, staged: Staged | None, ports: Ports) -> None:
    """The record moved while we staged: where nobody goes by our value, it is removed."""
    newest = ports.rotations.read(record.path)
    going = newest is not None and newest.phase not in ENDED and newest.promoted is None
    if staged is not None and not going:
        ports.pending.remove(record.path, staged.version)


STEP = Step(
    name="create",
    does="Begins rotations, or joins the one under way, and stages a new credential apart from live values.",
    consumes=(RotationRequested, PhaseRequested, ScheduleTicked),
    emits=(RotationStaged, RotationFailed, RotationRequested, PhaseRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.CLAIM_READ,
            Capability.CLAIM_WRITE,
            Capability.PUBLICATION_READ,
            Capability.PUBLICATION_WRITE,
            Capability.ROTATION_READ,
            Capability.ROTATION_WRITE,
            Capability.PENDING_READ,
            Capability.PENDING_WRITE,
            Capability.PENDING_REMOVE,
            Capability.SYSTEM_READ,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
