"""ownerReferences: with creationPolicy Owner the cluster deletes a Secret together with its ExternalSecret."""

from collections.abc import Callable
from typing import Any

from events.errors import EventError
from events.references import ManifestRef
from functions._marks import CREATION_POLICY
from functions._ports import SecretContent
from infra.kubernetes.resources import EXTERNAL_SECRETS
from infra.stores.kubernetes.marks import Metadata

UidOf = Callable[[ManifestRef], str | None]


def owner_references(content: SecretContent, found: Metadata, uid_of: UidOf) -> list[dict[str, Any]]:
    """Those of others as found, and ours as the creationPolicy says (External Secrets Operator's meaning of it).

    Without a known uid there is none: a reference to what does not exist has the Secret deleted at once.
    """
    references = found.get("ownerReferences")
    theirs = [each for each in references if isinstance(each, dict)] if isinstance(references, list) else []
    theirs = [each for each in theirs if not _names(each, content.owner)]
    if content.annotations.get(CREATION_POLICY) != "Owner":
        return theirs
    owner = _parsed(content.owner)
    uid = uid_of(owner) if owner else None
    if owner is None or not uid:
        return theirs
    reference: dict[str, Any] = {
        "apiVersion": EXTERNAL_SECRETS.api_version, "kind": owner.kind, "name": owner.name, "uid": uid,
        "blockOwnerDeletion": True, "controller": not any(each.get("controller") for each in theirs),
    }  # fmt: skip
    return [*theirs, reference]


def _names(reference: dict[str, Any], owner: str) -> bool:
    parsed = _parsed(owner)
    return parsed is not None and (reference.get("kind"), reference.get("name")) == (parsed.kind, parsed.name)


def _parsed(owner: str) -> ManifestRef | None:
    try:
        return ManifestRef.parse(owner)
    except EventError:
        return None
