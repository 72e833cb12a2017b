"""Whether anybody is still to have the credential that a lease keeps alive (DESIGN, "Deletion")."""

import hashlib
from typing import TYPE_CHECKING

from events.references import ManifestRef, PathRef
from functions._failures import Reject
from functions._marks import CONSUMERS
from functions._ports import Ports, Tombstone

if TYPE_CHECKING:  # retract and sweep start without rotation, which few of their events are about
    from functions._rotations import Record

POLICY = "revoke-lease"


def needed(manifest: ManifestRef, path: PathRef, ports: Ports) -> bool:
    """Whether a Rotation asks for the credential and somebody consumes it; True where that cannot be told.

    Consumers that read the authority themselves are in no manifest: the Rotation says so by an annotation.
    """
    rotation = ports.wiring.rotation(manifest)
    if rotation is None:
        return ports.wiring.rotation_of_path(path) is not None
    try:
        if rotation.path(ports.wiring.mount) != path:
            return False
    except Reject:
        return True
    return rotation.annotations.get(CONSUMERS) == "elsewhere" or bool(ports.wiring.consumers_of_path(path))


def abandoned(record: "Record", ports: Ports) -> Tombstone:
    """The note that nobody is to have what the record holds: revoked when the grace is over and that is still so."""
    now, owner = ports.clock.now(), str(record.manifest)
    # A lease of its own for every credential: what was noticed of the former says nothing about this one.
    held = record.new.id if record.new is not None else ""
    parts = "\n".join((record.manifest.subject, record.path.subject, POLICY, owner, held))
    return Tombstone(
        id=hashlib.sha256(parts.encode()).hexdigest()[:32],
        manifest=record.manifest,
        target=record.path,
        policy="revoke-lease",
        noticed=now,
        due=now + ports.settings.grace,
        owner=owner,
    )
