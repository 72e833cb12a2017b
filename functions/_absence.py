"""Whether what a tombstone noticed is still so (DESIGN, "Deletion")."""

import hashlib

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._lease_needs import POLICY as REVOKE_LEASE
from functions._lease_needs import needed
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._ports import Claim, Ports, Tombstone


def tombstone_id(manifest: ManifestRef, target: SecretRef | PathRef, policy: str, owner: str) -> str:
    """One absence of one thing under one owner is one tombstone, however often it is noticed."""
    parts = "\n".join((manifest.subject, target.subject, policy, owner))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def still_absent(tombstone: Tombstone, ports: Ports) -> bool:
    """Whether nothing in the wiring or at the source asks for the target any more."""
    target = tombstone.target
    if isinstance(target, SecretRef):
        wanted = ports.wiring.consumer_of_target(target)
        return not wanted or _unfed(target, ports)
    if tombstone.policy == REVOKE_LEASE:
        return not needed(tombstone.manifest, target, ports)
    producers = ports.wiring.producers_of_path(target)
    if tombstone.policy == "delete-properties":
        return not set(tombstone.properties) & {name for push in producers for name in declared(push, target, ports)}
    return not any(_has_source(push, ports) for push in producers)


def declared(push: PushSecret, path: PathRef, ports: Ports) -> set[str]:
    """The properties that the manifest names for a path."""
    return {entry.property for entry in push.entries(ports.wiring.mount).get(path, ()) if entry.property}


def retractable(claim: Claim | None, tombstone: Tombstone, ports: Ports) -> bool:
    """Whether the path still belongs to the one whose absence was noticed."""
    return (
        claim is not None
        and claim.state == "active"
        and claim.owner == tombstone.owner
        and claim.cluster == ports.settings.cluster
    )


def fed(consumer: ExternalSecret, ports: Ports) -> bool:
    """Whether any path that the consumer names or finds still holds something."""
    for path in consumer.paths(ports.wiring.mount):
        if _holds(path, ports):
            return True
    return any(
        find.matches(path) and _holds(path, ports)
        for find in consumer.finds(ports.wiring.mount)
        for path in ports.authority.list(find.mount, find.prefix)
    )


def _holds(path: PathRef, ports: Ports) -> bool:
    head = ports.authority.head(path)
    return head is not None and not head.deleted


def newest_version(path: PathRef, ports: Ports) -> Version | None:
    """The newest version of a path, by metadata alone."""
    head = ports.authority.head(path)
    return head.version if head else None


def _has_source(push: PushSecret, ports: Ports) -> bool:
    selector = push.spec.selector.secret
    if selector.name is not None:
        return ports.sources.head(SecretRef(namespace=push.namespace, name=selector.name)) is not None
    return selector.selector is None or bool(ports.sources.select(push.namespace, selector.selector))


def _unfed(target: SecretRef, ports: Ports) -> bool:
    """Whether the target's manifest asks that it goes with its paths (deletionPolicy Delete), and they are gone."""
    for consumer in ports.wiring.consumer_of_target(target):
        if consumer.spec.target.deletion_policy != "Delete":
            return False
        if fed(consumer, ports):
            return False
    return True
