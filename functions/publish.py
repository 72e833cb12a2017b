"""publish: push a source Secret's selected keys to the authority (seed 001, 5a.3.2).

The order of reads is what makes it correct: authority first, then the source, then the write compared against
what the authority held. Read the other way round, a slow delivery could write an old source value over a newer
one that it had already seen in place. They are asked for side by side all the same, and what was found of the
source counts only where that cannot be (`_held`).
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from events.claim import ClaimRequested, ClaimTaken
from events.event import Event
from events.orders import PublishRequested
from events.references import PathRef, SecretRef, Version
from events.secret import SecretChanged, SecretConflicted, SecretPublished
from events.wiring import WiringChanged
from functions._capability import Capability
from functions._contested import STILL_THEIRS, holders, still_publishes
from functions._failures import Conflict, Reject, Retry, StepFailure
from functions._manifests.push_secret import PushEntry, PushSecret
from functions._orders import expiry, refuse_expired
from functions._ownership import left_behind, new_claim, owned_by, refreshed, taken_over
from functions._ports import Claim, Ports, Publication, Secret, StoredSecret
from functions._sourcing import NOTHING_READ, Sourced, sourced
from functions._step import Step
from functions._values import SecretValue

MOST_KEYS = 256  # named in an event; a Secret with more must not make an event that no broker takes
ATTEMPTS = 4  # against our own concurrent deliveries; whoever loses more often lets the broker back off


@dataclass(frozen=True, slots=True)
class Task:
    """One path of one PushSecret: the unit that is written at once."""

    push: PushSecret
    path: PathRef
    entries: tuple[PushEntry, ...]
    foreign: Version | None = None  # what somebody else wrote there, and is known to have been told of


@dataclass(frozen=True, slots=True)
class Held:
    """What was read of a path, and of its source where that could be read beside it."""

    stored: StoredSecret | None
    claim: Claim | None
    sources: Mapping[SecretRef, Secret | None] = field(default_factory=dict)


Looks = SecretChanged | WiringChanged | PublishRequested | SecretConflicted


def handle(event: Looks | ClaimRequested, ports: Ports) -> Iterator[Event]:
    """Bring every path that the event concerns in step with its source."""
    if isinstance(event, ClaimRequested):
        yield from _take_over(event, ports)
        return
    if isinstance(event, SecretConflicted) and event.outcome != "foreign-write":
        return  # nothing is to be done about it here
    tasks = tuple(_tasks(event, ports))
    failed: list[StepFailure] = []
    for task in tasks:
        try:
            yield from _publish(task, ports)
        except (Retry, Reject, Conflict) as failure:
            if len(tasks) == 1:
                raise
            failed.append(failure)
            if isinstance(event, PublishRequested):
                continue  # several that name one path, which nobody confirmed yet: they hold up each other no longer
            # One path's failure is an outcome of the fan-out; retried alone, it holds up no other.
            yield PublishRequested(path=task.path, expires=expiry(ports), reason=failure.reason[:500])
    if isinstance(event, PublishRequested) and failed and len(failed) == len(tasks):
        raise failed[0]


def _tasks(event: Looks, ports: Ports) -> Iterator[Task]:
    foreign = event.version if isinstance(event, SecretConflicted) else None
    if isinstance(event, PublishRequested | SecretConflicted):
        producers = holders(event.path, ports.wiring, ports.publications.read)
    elif isinstance(event, SecretChanged):
        producers = ports.wiring.producers_of_source(event.secret, _labels(event.secret, ports))
    else:
        producers = _rewired(event, ports)
    for push in producers:
        problem = ports.wiring.problem(push.ref)
        if problem and isinstance(event, PublishRequested) and len(producers) == 1:
            raise Reject(f"{push.ref}: {problem}")
        if problem:
            continue  # one bad manifest holds up no good one on the same source; `status` names it
        for path, entries in push.entries(ports.wiring.mount).items():
            if not isinstance(event, PublishRequested | SecretConflicted) or path == event.path:
                yield Task(push, path, entries, foreign)


def _labels(secret: SecretRef, ports: Ports) -> Mapping[str, str]:
    """Its labels, looked up only where some PushSecret selects by them."""
    head = ports.sources.head(secret) if ports.wiring.selects_labels(secret.namespace) else None
    return head.labels if head else {}


def _rewired(event: WiringChanged, ports: Ports) -> tuple[PushSecret, ...]:
    if event.manifest.kind == "PushSecret":
        push = ports.wiring.push_secret(event.manifest)
        return (push,) if push else ()
    # A store that is new drives nothing by itself: what it lets act is told of as changed.
    if event.manifest.kind == "ClusterSecretStore" and event.change == "changed":
        return tuple(push for push in ports.wiring.push_secrets() if event.manifest.name in push.stores)
    return ()


def _publish(task: Task, ports: Ports) -> Iterator[Event]:
    _refuse_unfit(task, ports)
    for _ in range(ATTEMPTS):
        if ports.suspensions.reason(task.path, task.push.ref):
            return
        try:
            yield from _attempt(task, ports)
        except Conflict:
            continue  # somebody moved between our read and our write: read everything again
        return
    raise Retry(f"{task.path} changes faster than it can be compared and set")


def _refuse_unfit(task: Task, ports: Ports) -> None:
    if not ports.access.may_publish(task.push.namespace, task.path):
        raise Reject(
            f"{task.push.ref}: namespace {task.push.namespace} may not publish {task.path}; "
            "the access policy would have to name it (access.yaml, publish)"
        )


def _attempt(task: Task, ports: Ports) -> Iterator[Event]:
    known = ports.publications.read(task.path)  # before the authority: what it held then must still be there
    held = _held(task, known, ports)
    stored, claim = held.stored, held.claim
    if known is not None and (stored is None or stored.version.number < known.version.number):
        # Somebody deleted the path with its metadata, so its versions begin anew: what was confirmed is no more.
        ports.publications.forget(task.path)
    source = sourced(task.push, task.path, task.entries, ports, held.sources)
    if source is None:
        return  # nothing to publish yet, or no longer: retract notices absences
    if blocked := _foreign_owner(task, claim, stored, ports):
        yield blocked
        return
    claim = _hold(task, claim, tuple(source.content), ports)
    vouched, theirs = _vouched(task, stored, known, ports)
    desired = _desired(task, claim, vouched, source)
    if claim.revoked and (blocked := _revoked_value(task, claim, stored, desired, ports)):
        yield blocked
        return
    if theirs and stored is not None and not _holds(stored, desired) and stored.version != task.foreign:
        yield _foreign_write(task, stored)
        return  # it is undone when that is known to be on record: once undone, nothing else would tell of it
    version, outcome = _brought(task, stored, desired, claim, ports)
    _confirm(task, version, source, ports)
    # "Nothing to write" is said too: the answer that told of the write may have been lost.
    yield SecretPublished(
        path=task.path, version=version, keys=tuple(sorted(desired))[:MOST_KEYS], origin=task.push.ref, outcome=outcome
    )


def _held(task: Task, known: Publication | None, ports: Ports) -> Held:
    """What the authority holds, whose it is, and what the source has, read side by side.

    The claim must be as new as the data: whoever takes a path over writes a version first, then the claim. A claim
    read before such a version, with data read after it, would let us write over the new owner's value. And the source
    must not be older than what the data was published from. Data at the very version that was confirmed before we
    asked tells that neither is so: nobody published since, and that publication's source was read before it was
    confirmed. Otherwise the claim is read again, and the source when it is needed.
    """
    beside = task.push.source if known is not None else None
    with ExitStack() as asked:
        claimed = asked.enter_context(ports.claims.reading(task.path))
        storing = asked.enter_context(ports.authority.reading(task.path))
        sourcing = asked.enter_context(ports.sources.reading(beside)) if beside is not None else None
        stored, claim = storing(), claimed()
        if known is not None and stored is not None and stored.version == known.version:
            read = {beside: sourcing()} if beside is not None and sourcing is not None else NOTHING_READ
            return Held(stored, claim, read)
    if stored is None and claim is None:  # a first claim is made by compare-and-set anyway
        return Held(stored, claim)
    return Held(stored, ports.claims.read(task.path))


def _foreign_owner(
    task: Task, claim: Claim | None, stored: StoredSecret | None, ports: Ports
) -> SecretConflicted | None:
    if claim is None:
        if stored is None:
            return None
        return _conflict(task, stored, "", f"{task.path} existed before anybody claimed it; see `lockstep adopt`")
    if claim.origin != "producer" and claim.state == "active":
        return _conflict(task, stored, claim.owner, f"{task.path} belongs to {claim.origin}; publish never writes it")
    if claim.state == "active" and not owned_by(claim, task.push, ports) and not left_behind(claim, task.push, ports):
        holder = f"{claim.owner} of cluster {claim.cluster}"
        mend = f", {STILL_THEIRS}" if still_publishes(claim, ports) else "; see `lockstep adopt`"
        return _conflict(task, stored, holder, f"{task.path} belongs to {holder}{mend}")
    return None


def _conflict(task: Task, stored: StoredSecret | None, owner: str, explanation: str) -> SecretConflicted:
    return SecretConflicted(
        path=task.path,
        claimant=task.push.ref,
        owner=owner,
        version=stored.version if stored else None,
        outcome="owned-by-other",
        explanation=explanation,
    )


def _hold(task: Task, claim: Claim | None, properties: tuple[str, ...], ports: Ports) -> Claim:
    """The claim in our name, made or renewed before any data is written. Raises Conflict when another was faster."""
    if claim is None:
        return ports.claims.create(new_claim(task.push, task.path, properties, ports))
    if claim.state != "active" or not owned_by(claim, task.push, ports):
        return ports.claims.update(taken_over(claim, task.push, properties, ports))
    wanted = refreshed(claim, task.push, properties)
    return claim if wanted == claim else ports.claims.update(wanted)


def _foreign_write(task: Task, stored: StoredSecret) -> SecretConflicted:
    return SecretConflicted(
        path=task.path,
        claimant=task.push.ref,
        version=stored.version,
        outcome="foreign-write",
        explanation=(
            f"version {stored.version} was not confirmed by its origin: somebody else wrote it, "
            "or a crash came between writing and confirming; the source's value is written again"
        ),
    )


def _revoked_value(
    task: Task, claim: Claim, stored: StoredSecret | None, desired: dict[str, SecretValue], ports: Ports
) -> SecretConflicted | None:
    """Why the source's value is not published: it was revoked here. None where it may be."""
    from functions._revoked import refusal, revoked_among  # here: at most paths nothing was ever revoked

    keys = revoked_among(claim, desired, ports)
    if not keys:
        return None
    return SecretConflicted(
        path=task.path,
        claimant=task.push.ref,
        version=stored.version if stored else None,
        outcome="revoked-value",
        explanation=refusal(keys),
    )


def _holds(stored: StoredSecret, desired: dict[str, SecretValue]) -> bool:
    return stored.data is not None and dict(stored.data) == desired


def _brought(
    task: Task, stored: StoredSecret | None, desired: dict[str, SecretValue], claim: Claim, ports: Ports
) -> tuple[Version, Literal["written", "unchanged"]]:
    """The version that holds what is desired: the one that is there, or one written over exactly that."""
    # A version that retract has marked may be deleted at any moment, however alive it still is.
    doomed = stored is not None and stored.version.number in claim.deleted
    if stored is not None and _holds(stored, desired) and not doomed:
        return stored.version, "unchanged"
    return ports.authority.write(task.path, desired, stored.version if stored else None), "written"


def _confirm(task: Task, version: Version, source: Sourced, ports: Ports) -> None:
    ports.publications.record(
        Publication(
            path=task.path,
            version=version,
            manifest=task.push.ref,
            sources=source.states,
            generation=task.push.generation,
        )
    )


def _vouched(
    task: Task, stored: StoredSecret | None, known: Publication | None, ports: Ports
) -> tuple[StoredSecret | None, bool]:
    """What earlier properties are kept from, and whether somebody else wrote what is there now.

    Kept is what the origin confirmed, wherever there is such a version. IfNotExists keeps what is there, whoever
    wrote it: that is what it asks.
    """
    if stored is None or task.push.spec.update_policy == "IfNotExists":
        return stored, False
    if known is None or stored.version.newer_than(known.version):
        known = ports.publications.read(stored.path)  # another delivery of ours may have confirmed it meanwhile
    if known is None or not stored.version.newer_than(known.version):
        return stored, False
    return ports.authority.read(stored.path, known.version) or stored, True


def _desired(task: Task, claim: Claim, stored: StoredSecret | None, source: Sourced) -> dict[str, SecretValue]:
    """The whole path: what the source asks, and what it asked before and nobody retracted yet."""
    if not all(entry.property for entry in task.entries):
        return dict(source.content)  # pushed without property, the source's object is the whole document
    before = stored.data if stored is not None and stored.data is not None else {}
    kept = {name: value for name, value in before.items() if name in claim.properties}
    if task.push.spec.update_policy == "IfNotExists":
        return {**source.content, **before}
    return {**kept, **source.content}


def _take_over(order: ClaimRequested, ports: Ports) -> Iterator[Event]:
    """Carry out `lockstep adopt`: the claim passes in one compare-and-set, then the path follows its new source."""
    refuse_expired(order, ports)
    push = ports.wiring.push_secret(order.claimant)
    if push is not None and (problem := ports.wiring.problem(push.ref)):
        raise Reject(f"{push.ref}: {problem}")
    entries = push.entries(ports.wiring.mount).get(order.path) if push else None
    if push is None or entries is None:
        raise Reject(f"{order.claimant} is not wired to {order.path}; correct the manifest, then adopt again")
    task = Task(push, order.path, entries)
    _refuse_unfit(task, ports)
    if reason := ports.suspensions.reason(task.path, push.ref):
        raise Reject(f"{order.path}: writing is suspended ({reason}); resume it, then adopt again")
    claim = _claim_for(order, task, ports)
    yield ClaimTaken(path=order.path, owner=push.ref, epoch=claim.epoch, by=order.by)
    yield from _publish(task, ports)


def _claim_for(order: ClaimRequested, task: Task, ports: Ports) -> Claim:
    stored = ports.authority.read(order.path)
    claim = ports.claims.read(order.path)
    if claim is not None and owned_by(claim, task.push, ports) and claim.state == "active":
        return claim  # carried out already; the first answer may have been lost
    found = claim.epoch if claim else 0
    if claim is not None and claim.owner != str(task.push.ref) and still_publishes(claim, ports):
        raise Reject(f"{order.path} belongs to {claim.owner}, {STILL_THEIRS}")
    if found != order.epoch or (order.base and stored and stored.version.newer_than(order.base)):
        raise Reject(f"{order.path} changed since the order was given; look again (`lockstep adopt --dry-run`)")
    source = sourced(task.push, task.path, task.entries, ports)
    if source is None:
        raise Reject(f"{order.path}: there is no source Secret yet, so nothing can take it over")
    dropped = sorted(set(stored.data or {}) - set(source.content)) if stored else []
    if dropped:
        raise Reject(f"{order.path} also holds {', '.join(dropped)}; add them to {order.claimant} or remove them first")
    if claim is None:
        return ports.claims.create(new_claim(task.push, order.path, tuple(source.content), ports))
    if claim.state == "active" and stored is not None and stored.data is not None:
        # A new version under the old claim: writes that the former owner has in flight now lose their compare-and-set.
        ports.authority.write(order.path, stored.data, stored.version)
    return ports.claims.update(taken_over(claim, task.push, tuple(source.content), ports))


STEP = Step(
    name="publish",
    does="Writes a producer's keys to its paths at the authority, by compare-and-set, where they differ.",
    consumes=(SecretChanged, WiringChanged, PublishRequested, ClaimRequested, SecretConflicted),
    emits=(SecretPublished, SecretConflicted, PublishRequested, ClaimTaken),
    needs=frozenset(
        {
            Capability.SOURCE_READ,
            Capability.AUTHORITY_READ,
            Capability.AUTHORITY_WRITE,
            Capability.CLAIM_READ,
            Capability.CLAIM_WRITE,
            Capability.PUBLICATION_READ,
            Capability.PUBLICATION_WRITE,
            Capability.FINGERPRINT_REVOKED,
        }
    ),
    handle=handle,
    proves=(SecretConflicted,),
)
