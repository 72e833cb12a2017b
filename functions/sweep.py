"""sweep: find what events missed, by metadata alone, and order it done (DESIGN, principle 6).

The sweep reads no values. What it finds out of step it names in an order, and the step that owns the work looks
for itself. It alone orders retractions, after grace, recheck and a limit on how much may go at once.

One path is looked at before its turn when the authority's audit stream tells of a write (secret.written). That is a
hint and no more: what is said of the path comes from its metadata at the authority and from what its origin confirmed.
A line that was forged, replayed, torn or late makes us read the metadata of one wired path, and say again what is true
of it anyway; a line that is missing is a path that waits for its turn. So the audit stream needs no trust, and may
drop what it cannot carry.
"""

from collections.abc import Iterable, Iterator

from events.event import Event
from events.lease import LeaseExpiring
from events.orders import MaterializeRequested, PublishRequested, RetractRequested
from events.references import PathRef, Version
from events.rotation import PhaseRequested, RotationRequested
from events.schedule import ScheduleTicked
from events.secret import SecretConflicted, SecretPublished, SecretRetracted, SecretWritten
from functions._absence import fed, still_absent, tombstone_id
from functions._capability import Capability
from functions._contested import holders
from functions._failures import Denied, Reject, Retry
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._orders import expiry
from functions._ports import LookedAt, PathHead, Ports, Tombstone
from functions._refresh import settled_for_good
from functions._retraction import held_back
from functions._selection import named_sources, source_states
from functions._shards import START, SWEEP, in_shard
from functions._step import Step
from functions._vouched import awaited

SCHEDULE = SWEEP
_MISSING = "the target lacks the confirmed version"


def handle(event: ScheduleTicked | SecretWritten, ports: Ports) -> Iterator[Event]:
    """Look at this shard's paths and targets, or at one path; the first shard also looks after tombstones."""
    if isinstance(event, SecretWritten):
        yield from _look_again(event.path, ports)
        return
    if event.schedule.name == START:
        from functions._rotation_due import unsaid  # here: nothing else that is swept needs rotation

        yield from unsaid(ports)
    if event.schedule.name != SCHEDULE:
        return
    from functions._expiring_leases import expiring_leases  # here: as above
    from functions._rotation_due import rotations_due

    heads: dict[PathRef, PathHead | None] = {}
    paths = [path for path in sorted(set(_wired_paths(ports)), key=str) if in_shard(path, event)]
    sources = ports.sources.heads(named_sources(push for path in paths for push in _producers(path, ports)))
    for path in paths:
        yield from _where_allowed(_sweep_wired(path, heads, sources, ports))
    consumers = [one for one in ports.wiring.external_secrets() if in_shard(one.target, event) and _acts(one, ports)]
    targets = ports.targets.heads(frozenset(consumer.target for consumer in consumers))
    for consumer in consumers:
        yield from _where_allowed(_sweep_consumer(consumer, targets, heads, ports))
    yield from expiring_leases(event, ports)
    yield from rotations_due(event, ports, heads)
    if event.shard == 0:
        yield from _sweep_tombstones(ports)


def _where_allowed(found: Iterator[Event]) -> Iterator[Event]:
    """A path that the authority lets nobody of ours look at (yet) holds up no other; whoever publishes it, or makes
    its targets, is refused as well, and says so."""
    try:
        yield from found
    except Denied:
        return


def _wired_paths(ports: Ports) -> Iterable[PathRef]:
    """Paths that a sweep asks the authority about: what producers own, and what consumers read of others."""
    for push in ports.wiring.push_secrets():
        if ports.wiring.problem(push.ref):
            continue  # it cannot be resolved, or may not act; `status` and `lint` name it
        yield from push.entries(ports.wiring.mount)
    for consumer in ports.wiring.external_secrets():
        if ports.wiring.problem(consumer.ref):
            continue
        yield from consumer.paths(ports.wiring.mount)


# --- one path, because somebody wrote there ---------------------------------------------------------------------------


def _look_again(path: PathRef, ports: Ports) -> Iterator[Event]:
    """What a write by somebody else means, found out from state alone.

    A path of a producer (or of rotation: whatever confirms its versions) is never published by what others write
    there; of a producer's, `publish` is ordered to look at it, tells of the conflict, and writes its source's value
    again; of a rotated one, the conflict is told here. A path that
    nobody of ours confirms is the authority's own: its newest version is published, whoever wrote it.
    """
    consumers, rotation = ports.wiring.consumers_of_path(path), ports.wiring.rotation_of_path(path)
    naming = [one.ref for one in (*consumers, *ports.wiring.producers_of_path(path))]
    naming += [rotation.ref] if rotation is not None else []
    if all(map(ports.wiring.problem, naming)):
        return  # nobody who may act asks about it (any more), and our policy need not let us look
    head = ports.authority.head(path)
    if rotation is not None and not ports.wiring.problem(rotation.ref):
        from functions._rotation_foreign import foreign_write  # here: as above

        yield from foreign_write(rotation, path, head, ports, ports.rotations.read)
    if ports.publications.read(path) is not None or awaited(path, ports):
        yield from _sweep_path(path, head, ports.sources.head, ports)
    elif head is not None and not head.deleted:
        # Metadata tells no key names. Whoever materializes reads at least this version, or tries again.
        yield SecretPublished(path=path, version=head.version, keys=(), outcome="written")
    else:
        for consumer in consumers:  # deleted: some ask that their target goes as well, and some found it by a search
            if _acts(consumer, ports):
                yield from _sweep_consumer(consumer, ports.targets.head, {path: head}, ports)


# --- paths: does the authority hold what the source asks? ------------------------------------------------------------


def _producers(path: PathRef, ports: Ports) -> Iterator[PushSecret]:
    for push in holders(path, ports.wiring, ports.publications.read):
        if not ports.wiring.problem(push.ref) and not ports.suspensions.reason(path, push.ref):
            yield push


def _sweep_wired(
    path: PathRef, heads: dict[PathRef, PathHead | None], sources: LookedAt, ports: Ports
) -> Iterator[Event]:
    heads[path] = ports.authority.head(path)
    yield from _sweep_path(path, heads[path], sources, ports)


def _sweep_path(path: PathRef, head: PathHead | None, sources: LookedAt, ports: Ports) -> Iterator[Event]:
    for push in _producers(path, ports):
        try:
            reason = _unpublished(push, path, head, sources, ports)
        except (Retry, Reject):
            continue  # a source that cannot be looked at now holds up no other; publish and `status` say why
        if reason:
            yield PublishRequested(path=path, base=head.version if head else None, expires=expiry(ports), reason=reason)


def _unpublished(push: PushSecret, path: PathRef, head: PathHead | None, sources: LookedAt, ports: Ports) -> str | None:
    states = {str(ref): state for ref, state in source_states(push, ports.sources, sources).items()}
    if not states:
        return None
    confirmed = ports.publications.read(path)
    if confirmed is None or head is None:
        return "the path was never confirmed by its origin"
    if confirmed.version != head.version:
        return f"version {head.version} at the authority was not confirmed by its origin"
    if head.deleted:
        return "the newest version was deleted"
    if dict(confirmed.sources) != states or confirmed.generation != push.generation:
        return "the source or its manifest changed since the path was confirmed"
    return None


# --- consumers: does the target carry what is confirmed? --------------------------------------------------------------


def _acts(consumer: ExternalSecret, ports: Ports) -> bool:
    if consumer.spec.target.creation_policy == "None" or ports.wiring.problem(consumer.ref):
        return False
    return not ports.suspensions.reason(consumer.target, consumer.ref)


def _sweep_consumer(
    consumer: ExternalSecret, targets: LookedAt, heads: dict[PathRef, PathHead | None], ports: Ports
) -> Iterator[Event]:
    try:
        target = targets(consumer.target)
    except (Retry, Reject):
        return  # as above: materialize and `status` say why
    if target is not None and settled_for_good(consumer, target, rewired=False):
        return
    wanted = _wanted(consumer, heads, ports)
    if wanted is None:
        if (
            target is not None
            and consumer.spec.target.deletion_policy == "Delete"
            and target.owner == str(consumer.ref)
        ):
            yield from _notice_unfed(consumer, ports)
        return
    stamp = dict(target.stamp) if target else {}
    drifted = target is not None and target.drifted
    behind = {path: version for path, version in wanted.items() if version.newer_than(stamp.get(path))}
    known = {*wanted, *(str(path) for path in _pinned(consumer, ports))}
    if target is not None and not behind and not drifted and set(stamp) <= known:
        return
    yield MaterializeRequested(
        consumer=consumer.ref,
        secret=consumer.target,
        base=behind,
        expires=expiry(ports),
        reason="the target was changed by somebody else" if drifted else _MISSING,
    )


def _wanted(consumer: ExternalSecret, heads: dict[PathRef, PathHead | None], ports: Ports) -> dict[str, Version] | None:
    """The version of each path that the target should carry; None while one of them has none, or none is found."""
    pinned = _pinned(consumer, ports)
    wanted: dict[str, Version] = {}
    for path in consumer.paths(ports.wiring.mount):
        if path in pinned:
            continue
        version = _expected(path, heads, ports)
        if version is None:
            return None
        wanted[str(path)] = version
    for path in _found(consumer, ports):
        version = _expected(path, heads, ports)
        if version is not None:
            wanted[str(path)] = version
        elif awaited(path, ports):
            return None  # about to be written; one that is deleted is merely found no longer
    return wanted or ({} if pinned else None)


def _pinned(consumer: ExternalSecret, ports: Ports) -> set[PathRef]:
    """Paths read at a version that the manifest pins: nothing newer is missing from the target."""
    spec, mount = consumer.spec, ports.wiring.mount
    found = {consumer.data_path(item, mount) for item in spec.data if item.remote_ref.version}
    extracts = (consumer.extract_path(part, mount) for part in spec.data_from if part.extract and part.extract.version)
    return found | {path for path in extracts if path is not None}


def _found(consumer: ExternalSecret, ports: Ports) -> Iterator[PathRef]:
    for find in consumer.finds(ports.wiring.mount):
        yield from (path for path in ports.authority.list(find.mount, find.prefix) if find.matches(path))


def _expected(path: PathRef, heads: dict[PathRef, PathHead | None], ports: Ports) -> Version | None:
    confirmed = ports.publications.read(path)
    if confirmed is not None:
        return confirmed.version
    if awaited(path, ports):
        return None
    if path not in heads:
        heads[path] = ports.authority.head(path)
    head = heads[path]
    return head.version if head is not None and not head.deleted else None


def _notice_unfed(consumer: ExternalSecret, ports: Ports) -> Iterator[Event]:
    if fed(consumer, ports):
        return
    now = ports.clock.now()
    owner = str(consumer.ref)
    tombstone = Tombstone(
        id=tombstone_id(consumer.ref, consumer.target, "delete-target", owner),
        manifest=consumer.ref,
        target=consumer.target,
        policy="delete-target",
        noticed=now,
        due=now + ports.settings.grace,
        owner=owner,
    )
    if ports.tombstones.read(tombstone.id) is None:
        ports.tombstones.create(tombstone)
        yield _told(tombstone, "noticed", "its paths are gone and its deletionPolicy is Delete")


# --- tombstones: what is due, still absent, and not too much at once? ------------------------------------------------


def _sweep_tombstones(ports: Ports) -> Iterator[Event]:
    now = ports.clock.now()
    due = []
    for tombstone in ports.tombstones.list():
        try:
            absent = not ports.wiring.complete() or still_absent(tombstone, ports)
        except (Retry, Reject):
            continue  # what cannot be looked at is not known to be absent
        if not absent:
            # At once, due or not: should it go again, its grace begins anew.
            yield _told(tombstone, "withdrawn", "it is wired again")
        elif tombstone.due <= now:
            due.append(tombstone)
    reason = held_back(due, ports)
    for tombstone in due:
        if reason:
            yield _told(tombstone, "held", reason)
        else:
            yield RetractRequested(
                target=tombstone.target,
                tombstone=tombstone.id,
                base=tombstone.base,
                expires=expiry(ports),
                reason=f"{tombstone.policy}: absent since {tombstone.noticed:%Y-%m-%d %H:%M:%S} UTC",
            )


def _told(tombstone: Tombstone, outcome: str, explanation: str) -> SecretRetracted:
    return SecretRetracted.model_validate(
        {
            "target": tombstone.target,
            "manifest": tombstone.manifest,
            "tombstone": tombstone.id,
            "outcome": outcome,
            "explanation": explanation,
        }
    )


STEP = Step(
    name="sweep",
    does="Compares versions and states without reading values; orders what events missed, tells what others wrote.",
    consumes=(ScheduleTicked, SecretWritten),
    emits=(
        PublishRequested, MaterializeRequested, RetractRequested, SecretRetracted, SecretPublished, LeaseExpiring,
        RotationRequested, PhaseRequested, SecretConflicted,
    ),
    needs=frozenset(
        {
            Capability.SOURCE_METADATA,
            Capability.TARGET_METADATA,
            Capability.AUTHORITY_METADATA,
            Capability.AUTHORITY_LIST,
            Capability.TOMBSTONE_READ,
            Capability.TOMBSTONE_WRITE,
            Capability.ROTATION_READ,
            Capability.LEASE_READ,
            Capability.PUBLICATION_READ,
        }
    ),
    handle=handle,
)  # fmt: skip
