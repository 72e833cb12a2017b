"""retract: undo what was published or materialized, by tombstone first and on the sweep's order only.

Noticing that something is gone writes a note, nothing else: a manifest that vanished for a moment, an empty
checkout or an unmounted volume must not delete anything. Every precondition is looked at again before the deletion.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from events.event import Event
from events.orders import PublishRequested, RetractRequested
from events.references import ManifestRef, PathRef, SecretRef
from events.secret import SecretRemoved, SecretRetracted
from events.wiring import WiringChanged
from functions._absence import declared, newest_version, retractable, still_absent, tombstone_id
from functions._capability import Capability
from functions._failures import Reject, Retry
from functions._lease_needs import POLICY as REVOKE_LEASE
from functions._marks import CREATION_POLICY
from functions._orders import expiry
from functions._ports import Claim, Ports, Secret, Tombstone
from functions._step import Step

IN_FLIGHT = timedelta(minutes=1)  # longer than a delivery takes that saw the wiring as it was
_ENDS = ("withdrawn", "retracted", "kept")

Policy = Literal["delete-target", "release-path", "delete-path", "delete-properties"]


def handle(event: WiringChanged | SecretRemoved | RetractRequested | SecretRetracted, ports: Ports) -> Iterator[Event]:
    """Note absences; carry out what the sweep ordered; forget what it is known to have been told."""
    if isinstance(event, RetractRequested):
        yield from _carry_out(event, ports)
    elif isinstance(event, SecretRetracted):
        _heard(event, ports)
    elif isinstance(event, SecretRemoved):
        yield from _source_gone(event.secret, ports)
    else:
        yield from _manifest_changed(event, ports)


# --- noticing -----------------------------------------------------------------------------------------------------


def _manifest_changed(event: WiringChanged, ports: Ports) -> Iterator[Event]:
    for secret in event.secrets:
        if not ports.wiring.consumer_of_target(secret):
            yield from _target_unwired(event.manifest, secret, event.generation, ports)
    for path in event.paths:
        yield from _path_unwired(event.manifest, path, event.generation, ports)


def _target_unwired(manifest: ManifestRef, secret: SecretRef, change: str, ports: Ports) -> Iterator[Event]:
    if ports.wiring.gone(secret.namespace):
        return  # with everything in it, and perhaps with what lets us look there
    target, owner = ports.targets.read(secret), str(manifest)
    if target is None:
        # Whoever saw the manifest a moment ago may be making it just now; and the cluster deletes what is owned first.
        yield _notice(manifest, secret, "delete-target", ports, owner=owner, change=change, least=IN_FLIGHT)
    elif target.owner == owner and _goes_along(target):
        yield _notice(manifest, secret, "delete-target", ports, owner=owner, change=change)


def _goes_along(target: Secret) -> bool:
    """Orphan and Merge outlive their manifest, as in ESO."""
    return target.annotations.get(CREATION_POLICY) == "Owner"


def _path_unwired(manifest: ManifestRef, path: PathRef, change: str, ports: Ports) -> Iterator[Event]:
    claim, owner = ports.claims.read(path), str(manifest)
    if claim is not None and (claim.state != "active" or claim.owner != owner):
        return
    push = ports.wiring.push_secret(manifest)
    try:
        named = push.entries(ports.wiring.mount) if push is not None else {}
    except Reject:
        return  # what it names cannot be told, for want of its store perhaps: it still owns its path
    if claim is None:
        if path not in named:  # as with a target that is not there: it may be claimed and published just now
            yield _notice(manifest, path, "release-path", ports, owner=owner, change=change, least=IN_FLIGHT)
    elif push is None or path not in named:
        policy: Policy = "delete-path" if claim.on_removal == "delete" else "release-path"
        yield _notice(manifest, path, policy, ports, owner=owner, change=change)
    elif push.spec.deletion_policy == "Delete":
        gone = tuple(sorted(set(claim.properties) - declared(push, path, ports)))
        if gone and all(entry.property for entry in named[path]):
            # Without the change: every later one finds the properties gone still, and must not put their end off.
            yield _notice(manifest, path, "delete-properties", ports, owner=owner, properties=gone)


def _source_gone(secret: SecretRef, ports: Ports) -> Iterator[Event]:
    if not ports.wiring.gone(secret.namespace) and ports.sources.head(secret) is not None:
        return  # it is back, or the hint was late
    for push in ports.wiring.producers_of_source(secret, {}):
        if push.spec.deletion_policy != "Delete" or ports.wiring.problem(push.ref):
            continue
        for path in push.entries(ports.wiring.mount):
            claim = ports.claims.read(path)
            if claim is not None and claim.state == "active" and claim.owner == str(push.ref):
                yield _notice(push.ref, path, "delete-path", ports, owner=claim.owner)


def _notice(
    manifest: ManifestRef,
    target: SecretRef | PathRef,
    policy: Policy,
    ports: Ports,
    *,
    owner: str,
    properties: tuple[str, ...] = (),
    change: str = "",
    least: timedelta = timedelta(0),
) -> SecretRetracted:
    """Its grace is at least `least`."""
    now = ports.clock.now()
    tombstone = Tombstone(
        id=tombstone_id(manifest, target, f"{policy}{','.join(properties)}", owner),
        manifest=manifest,
        target=target,
        policy=policy,
        noticed=now,
        due=now + max(ports.settings.grace, least),
        properties=properties,
        base=newest_version(target, ports) if isinstance(target, PathRef) else None,
        owner=owner,
        change=change,
    )
    ports.tombstones.create(tombstone)
    return _told(tombstone, "noticed", f"{policy} is due at {tombstone.due:%Y-%m-%d %H:%M:%S} UTC")


# --- carrying out -------------------------------------------------------------------------------------------------


def _carry_out(order: RetractRequested, ports: Ports) -> Iterator[Event]:
    if ports.clock.now() > order.expires:
        return  # the sweep orders again what is still due
    tombstone = ports.tombstones.read(order.tombstone)
    if tombstone is None or tombstone.policy == REVOKE_LEASE or tombstone.due > ports.clock.now():
        return
    if reason := ports.suspensions.reason(tombstone.target, tombstone.manifest):
        yield _told(tombstone, "held", f"writing is suspended: {reason}")
        return
    if not ports.wiring.complete():
        yield _told(tombstone, "held", "the wiring cannot be read as a whole; nothing is retracted until it can")
        return
    if not still_absent(tombstone, ports):
        yield _told(tombstone, "withdrawn", "it is wired again")
        return
    kept, orders = _execute(tombstone, ports)
    yield from orders
    yield _told(tombstone, "kept" if kept else "retracted", kept)


def _heard(event: SecretRetracted, ports: Ports) -> None:
    """What became of a tombstone was accepted, which its arrival here proves: until then it is kept, to tell it again.

    What is absent again since has its own grace, and stays. Raises Conflict.
    """
    tombstone = ports.tombstones.read(event.tombstone) if event.outcome in _ENDS else None
    if tombstone is None:
        return
    withdrawn = event.outcome == "withdrawn"
    again = still_absent(tombstone, ports) if withdrawn else tombstone.due > ports.clock.now()
    if not again:
        ports.tombstones.remove(tombstone)


def _execute(tombstone: Tombstone, ports: Ports) -> tuple[str, tuple[Event, ...]]:
    """Why nothing was done ("" when it was), and what is to be looked at again."""
    if isinstance(tombstone.target, SecretRef):
        return _delete_target(tombstone, tombstone.target, ports), ()
    claim = ports.claims.read(tombstone.target)
    if claim is not None and claim.state in ("released", "retired") and claim.owner == tombstone.owner:
        # Killed between the claim and what follows it: go on where it stopped.
        return _finish(tombstone, tombstone.target, claim, ports), ()
    if claim is None:
        return "", ()
    if not retractable(claim, tombstone, ports):
        return "the path has another owner now", ()
    if tombstone.policy == "release-path":
        return _finish(tombstone, tombstone.target, ports.claims.update(replace(claim, state="released")), ports), ()
    if tombstone.policy == "delete-properties":
        return _drop_properties(tombstone, tombstone.target, claim, ports)
    return _delete_path(tombstone, tombstone.target, claim, ports), ()


def _delete_target(tombstone: Tombstone, ref: SecretRef, ports: Ports) -> str:
    target = ports.targets.read(ref) if not ports.wiring.gone(ref.namespace) else None
    if target is None:
        return ""
    if target.owner != tombstone.owner:
        return "the Secret has another owner now"
    if not _goes_along(target) and not ports.wiring.consumer_of_target(ref):
        return "its creationPolicy lets it outlive its manifest"
    ports.targets.delete(ref, target.state)
    return ""


def _delete_path(tombstone: Tombstone, path: PathRef, claim: Claim, ports: Ports) -> str:
    head = ports.authority.head(path)
    if head is not None and head.version != tombstone.base:
        return "a newer version was written since the absence was noticed"
    live = head.live if head else ()
    # The claim first: if we die before the deletion, the claim says that it is ours to finish and to take back.
    claim = ports.claims.update(replace(claim, state="retired", deleted=tuple(sorted({*claim.deleted, *live}))))
    return _finish(tombstone, path, claim, ports)


def _finish(tombstone: Tombstone, path: PathRef, claim: Claim, ports: Ports) -> str:
    if claim.state == "retired" and tombstone.policy == "delete-path":
        head = ports.authority.head(path)
        doomed = tuple(number for number in (head.live if head else ()) if number in claim.deleted)
        if doomed:
            ports.authority.delete(path, doomed)
    confirmed = ports.publications.read(path)
    if confirmed is not None and confirmed.manifest == tombstone.manifest:  # not what its next owner confirmed
        ports.publications.forget(path)
    return ""


def _drop_properties(tombstone: Tombstone, path: PathRef, claim: Claim, ports: Ports) -> tuple[str, tuple[Event, ...]]:
    stored = ports.authority.read(path)
    remaining = tuple(name for name in claim.properties if name not in tombstone.properties)
    if stored is not None and stored.data is not None:
        data = {name: value for name, value in stored.data.items() if name not in tombstone.properties}
        if not data:
            return "no property would remain; remove the PushSecret to retract the whole path", ()
        if len(data) != len(stored.data):
            confirmed = ports.publications.read(path)
            if confirmed is not None and stored.version.newer_than(confirmed.version):
                raise Retry(f"{path} holds a version that its origin has not confirmed", after=1.0)
            ports.authority.write(path, data, stored.version)
    ports.claims.update(replace(claim, properties=remaining))
    # Only publish says what its origin stands by: it confirms the smaller version.
    return "", (PublishRequested(path=path, expires=expiry(ports), reason="properties were retracted"),)


def _told(
    tombstone: Tombstone, outcome: Literal["noticed", "withdrawn", "held", "retracted", "kept"], explanation: str
) -> SecretRetracted:
    return SecretRetracted(
        target=tombstone.target,
        manifest=tombstone.manifest,
        tombstone=tombstone.id,
        outcome=outcome,
        explanation=explanation,
    )


STEP = Step(
    name="retract",
    does="Notes what is no longer wired, and after grace and recheck deletes exactly that.",
    consumes=(WiringChanged, SecretRemoved, RetractRequested, SecretRetracted),
    emits=(SecretRetracted, PublishRequested),
    needs=frozenset(
        {
            Capability.SOURCE_METADATA,
            Capability.TARGET_READ,
            Capability.TARGET_DELETE,
            Capability.AUTHORITY_READ,
            Capability.AUTHORITY_WRITE,
            Capability.AUTHORITY_METADATA,
            Capability.AUTHORITY_LIST,
            Capability.AUTHORITY_DELETE,
            Capability.CLAIM_READ,
            Capability.CLAIM_WRITE,
            Capability.TOMBSTONE_READ,
            Capability.TOMBSTONE_WRITE,
            Capability.PUBLICATION_READ,
            Capability.PUBLICATION_WRITE,
        }
    ),
    handle=handle,
    each=(WiringChanged,),
    proves=(SecretRetracted,),
)
