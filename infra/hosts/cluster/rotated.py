"""`status` of a Rotation: which versions it confirmed, by path, and how far it is.

`publications: {"<mount>/<path>": {mount, path, version, created, id, generation}}`; a merge patch with null forgets
one. `phase`, `rotation`, `policy` and `version` are for people.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from events.event import Event
from events.references import ManifestRef, PathRef, Version
from events.rotated import (
    RotationApplied,
    RotationCompleted,
    RotationFailed,
    RotationPromoted,
    RotationRevoked,
    RotationStaged,
    RotationVerified,
)
from functions._manifests.rotation import Rotation
from functions._ports import Publication
from infra.hosts.cluster.conditions import Condition

KIND = Rotation.KIND
RotationFact = (
    RotationStaged | RotationApplied | RotationVerified | RotationPromoted | RotationRevoked | RotationCompleted
    | RotationFailed
)  # fmt: skip
_PHASES: dict[type[Event], str] = {
    RotationStaged: "staged",
    RotationApplied: "applied",
    RotationVerified: "verified",
    RotationPromoted: "promoted",
    RotationRevoked: "revoked",
    RotationCompleted: "completed",
}


def rotation_publications(status: Mapping[str, Any], manifest: ManifestRef) -> Iterator[Publication]:
    """What was confirmed; what cannot be read was confirmed by nobody."""
    for entry in _entries(status).values():
        found = _publication(entry, manifest)
        if found is not None:
            yield found


def rotation_recorded(publication: Publication) -> dict[str, Any]:
    """What a merge patch makes of the status where a version is confirmed."""
    path, version = publication.path, publication.version
    entry = {
        "mount": path.mount, "path": path.path, "version": version.number, "created": version.created.isoformat(),
        "id": version.id, "generation": publication.generation,
    }  # fmt: skip
    return {"publications": {str(path): entry}}


def rotation_forgotten(status: Mapping[str, Any], path: PathRef) -> dict[str, Any] | None:
    """What a merge patch makes of the status where a path is rotated no more; None: it says nothing of it."""
    return {"publications": {str(path): None}} if str(path) in _entries(status) else None


def told(event: Event) -> tuple[ManifestRef, Condition, dict[str, Any]] | None:
    """What a fact about a rotation shows in its Rotation's status: the condition, and the fields beside it."""
    if not isinstance(event, RotationFact):
        return None
    fields: dict[str, Any] = {"rotation": event.rotation, "policy": event.policy}
    if isinstance(event, RotationFailed):
        reason = "Failed" if event.ended else "Waiting"
        return event.manifest, Condition(False, reason, event.explanation), {**fields, "phase": reason.lower()}
    phase = _PHASES[type(event)]
    if isinstance(event, RotationPromoted | RotationCompleted):
        fields["version"] = event.version.number
    if isinstance(event, RotationCompleted):
        message = f"version {event.version.number} is the one that works"
        return event.manifest, Condition(True, "Rotated", message), {**fields, "phase": phase}
    return event.manifest, Condition(True, "Rotating", f"the new credential is {phase}"), {**fields, "phase": phase}


def _entries(status: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found = status.get("publications")
    entries = found if isinstance(found, dict) else {}
    return {str(key): entry for key, entry in entries.items() if isinstance(entry, dict)}


def _publication(entry: Mapping[str, Any], manifest: ManifestRef) -> Publication | None:
    try:
        return Publication(
            path=PathRef(mount=entry["mount"], path=entry["path"]),
            version=Version(
                number=entry["version"], created=datetime.fromisoformat(entry["created"]), id=entry.get("id", "")
            ),
            manifest=manifest,
            sources={},
            generation=entry.get("generation", ""),
        )
    except (KeyError, TypeError, ValueError, ValidationError):  # somebody else wrote it
        return None
