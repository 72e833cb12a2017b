"""What we write on a Secret of ours, and how a change of it by somebody else is noticed without looking at values.

    metadata.annotations
      lockstep.dev/owner          str(ManifestRef) of the ExternalSecret that manages it
      lockstep.dev/stamp          {"<mount>/<path>": version}, as events print versions
      lockstep.dev/managed-keys   ["<key>", ...]
    metadata.labels
      app.kubernetes.io/managed-by: lockstep      on Secrets that we made (creationPolicy Owner or Orphan)
    metadata.managedFields        an entry of our field manager that holds `data.<key>` of every managed key, and the
                                  labels and annotations that we wrote

The API server takes a field away from its managers when somebody else changes its value (Kubernetes, "Server-Side
Apply", managedFields): a managed key that our manager does not hold is drift, and a label or annotation that it does
not hold is somebody else's, which stays.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from events.references import Version
from functions._marks import CREATION_POLICY
from functions._ports import SecretContent
from infra.kubernetes.resources import Object

OWNER = "lockstep.dev/owner"
STAMP = "lockstep.dev/stamp"
MANAGED_KEYS = "lockstep.dev/managed-keys"
MANAGED_BY = "app.kubernetes.io/managed-by"
LOCKSTEP = "lockstep"

# kubectl keeps the whole object in it, values and all: no step sees it.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HIDDEN = frozenset((OWNER, STAMP, MANAGED_KEYS, LAST_APPLIED))
_MADE_BY_US = frozenset(("Owner", "Orphan"))

_STAMPS: TypeAdapter[dict[str, Version]] = TypeAdapter(dict[str, Version])
_KEYS: TypeAdapter[list[str]] = TypeAdapter(list[str])

_NEW_ENTRY = {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}

Metadata = Mapping[str, Any]


def metadata_of(found: Object) -> Metadata:
    metadata = found.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def state_of(metadata: Metadata) -> str:
    """`<uid>/<resourceVersion>`: which Secret of that name, and which of its states."""
    return f"{metadata.get('uid', '')}/{metadata.get('resourceVersion', '')}"


# --- what steps see -----------------------------------------------------------------------------------------------


def owner_of(metadata: Metadata) -> str:
    return _annotations(metadata).get(OWNER, "")


def stamp_of(metadata: Metadata) -> dict[str, Version]:
    """The versions that the data came from; {} for one that somebody garbled, which then is written anew."""
    try:
        return _STAMPS.validate_json(_annotations(metadata).get(STAMP, "{}"))
    except ValidationError:
        return {}


def managed_of(metadata: Metadata, manager: str) -> frozenset[str]:
    """The keys that we wrote; where the annotation was lost, those that our field manager holds."""
    try:
        return frozenset(_KEYS.validate_json(_annotations(metadata).get(MANAGED_KEYS, "")))
    except ValidationError:
        return held_keys(metadata, manager)


def drifted(metadata: Metadata, manager: str) -> bool:
    """Whether somebody changed our keys, or took our marks away."""
    held = held_keys(metadata, manager)
    if not owner_of(metadata):
        return bool(held)
    return not managed_of(metadata, manager) <= held or MANAGED_KEYS not in _annotations(metadata)


def labels_of(metadata: Metadata) -> dict[str, str]:
    """All labels but our mark: what selectors look at."""
    labels = _texts(metadata.get("labels"))
    return {name: text for name, text in labels.items() if (name, text) != (MANAGED_BY, LOCKSTEP)}


def annotations_of(metadata: Metadata) -> dict[str, str]:
    """All annotations but our marks and kubectl's note."""
    return {name: text for name, text in _annotations(metadata).items() if name not in _HIDDEN}


def written_labels(metadata: Metadata, manager: str) -> dict[str, str]:
    """Of a Secret of ours, the labels that we wrote; of another, all: so that others' do not look like a difference."""
    return _ours_only(labels_of(metadata), metadata, manager, "labels")


def written_annotations(metadata: Metadata, manager: str) -> dict[str, str]:
    return _ours_only(annotations_of(metadata), metadata, manager, "annotations")


def _ours_only(texts: dict[str, str], metadata: Metadata, manager: str, part: str) -> dict[str, str]:
    if not owner_of(metadata):
        return texts
    held = _held(metadata, manager, part)
    return {name: text for name, text in texts.items() if name in held}


# --- what we write ------------------------------------------------------------------------------------------------


def marked(content: SecretContent, found: Metadata, manager: str) -> dict[str, dict[str, str]]:
    """Labels and annotations of what is written over `found` ({}: nothing was there); others' stay."""
    stamp = {path: version.model_dump(mode="json") for path, version in sorted(content.stamp.items())}
    made_by_us = content.annotations.get(CREATION_POLICY) in _MADE_BY_US
    annotations = {
        **_theirs(_annotations(found), found, manager, "annotations"),
        **content.annotations,
        OWNER: content.owner,
        STAMP: json.dumps(stamp, separators=(",", ":")),
        MANAGED_KEYS: json.dumps(sorted(content.managed), separators=(",", ":")),
    }
    if made_by_us:
        annotations.pop(LAST_APPLIED, None)  # it would outlive the values that it notes
    labels = {
        **_theirs(_texts(found.get("labels")), found, manager, "labels"),
        **content.labels,
        **({MANAGED_BY: LOCKSTEP} if made_by_us else {}),
    }
    return {"labels": labels, "annotations": annotations}


def held_fields(found: Metadata, content: SecretContent, written: Metadata, manager: str) -> list[Any]:
    """`managedFields` for a replacement by `written`: as found, with our manager holding what we write.

    The server gives a writer only the fields whose values it changes; a key that already had the right value (taken
    over from another tool, or changed by somebody to what it became) would count as drifted for ever. Labels and
    annotations that we only carry on stay with whoever holds them.
    """
    entries = _entries(found)
    ours = next((entry for entry in entries if _is_ours(entry, manager)), _NEW_ENTRY)
    fields = _members(ours.get("fieldsV1"))
    names = {
        "labels": {*content.labels, MANAGED_BY} & written["labels"].keys(),
        "annotations": {*content.annotations, OWNER, STAMP, MANAGED_KEYS},
    }
    held = {
        **fields,
        "f:data": {f"f:{key}": {} for key in sorted(content.managed)},
        "f:metadata": {
            **_members(fields.get("f:metadata")),
            **{f"f:{part}": _claimed(names[part], found, written, manager, part) for part in names},
        },
    }
    entry = {**ours, "manager": manager, "fieldsV1": held}
    return [*(each for each in entries if not _is_ours(each, manager)), entry]


def _theirs(texts: dict[str, str], found: Metadata, manager: str, part: str) -> dict[str, str]:
    held = _held(found, manager, part)
    return {name: text for name, text in texts.items() if name not in held and (name, text) != (MANAGED_BY, LOCKSTEP)}


def _claimed(names: set[str], found: Metadata, written: Metadata, manager: str, part: str) -> dict[str, Any]:
    """Of a Secret that was not ours, what already is as we would write it stays its holders' own."""
    before, after = _texts(found.get(part)), written[part]
    kept = set() if owner_of(found) else {name for name in names if before.get(name) == after.get(name)}
    return {f"f:{name}": {} for name in sorted(names - kept)}


def _held(metadata: Metadata, manager: str, part: str) -> frozenset[str]:
    return frozenset(
        name[2:]
        for entry in _entries(metadata)
        if _is_ours(entry, manager)
        for name in _members(_members(_members(entry.get("fieldsV1")).get("f:metadata")).get(f"f:{part}"))
        if name.startswith("f:")
    )


def held_keys(metadata: Metadata, manager: str) -> frozenset[str]:
    """The keys of the data whose present values our field manager wrote."""
    return frozenset(
        key[2:]
        for entry in _entries(metadata)
        if _is_ours(entry, manager)
        for key in _members(_members(entry.get("fieldsV1")).get("f:data"))
        if key.startswith("f:")
    )


def _is_ours(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Update" and not entry.get("subresource")


def _entries(metadata: Metadata) -> list[Mapping[str, Any]]:
    entries = metadata.get("managedFields")
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _annotations(metadata: Metadata) -> dict[str, str]:
    return _texts(metadata.get("annotations"))


def _texts(value: object) -> dict[str, str]:
    return dict(value) if isinstance(value, dict) else {}
