"""When a target goes that no manifest asks for any more."""

from datetime import datetime

from events.references import ManifestRef, SecretRef
from functions._absence import tombstone_id
from functions._failures import StepFailure
from functions._ports import Tombstones

_POLICY = "delete-target"  # retract's, for the target of an ExternalSecret that is gone


def leaving(tombstones: Tombstones, secret: SecretRef, manifest: ManifestRef) -> datetime | None:
    """None where nobody noticed it yet, it outlives its manifest, or the authority, which keeps the note, is away."""
    try:
        found = tombstones.read(tombstone_id(manifest, secret, _POLICY, str(manifest)))
    except StepFailure:
        return None
    return found.due if found is not None else None
