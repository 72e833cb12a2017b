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


def controller_of(found: Metadata, namespace: str, uid_of: UidOf) -> str:
    """The ExternalSecret of the wiring that a Secret without our marks belongs to by its controlling ownerReference;
    "" for none. So are those that External Secrets Operator made: their ExternalSecret goes on with them.
    """
    references = found.get("ownerReferences")
    for each in references if isinstance(references, list) else ():
        if not isinstance(each, dict) or each.get("controller") is not True:
            continue
        group = str(each.get("apiVersion")).partition("/")[0]
        if (group, each.get("kind")) != (EXTERNAL_SECRETS.group, EXTERNAL_SECRETS.kind):
            continue
        owner = _parsed(f"{EXTERNAL_SECRETS.kind} {namespace}/{each.get('name')}")
        if owner is not None and each.get("uid") and uid_of(owner) == each["uid"]:
            return str(owner)
    return ""


def _names(reference: dict[str, Any], owner: str) -> bool:
    parsed = _parsed(owner)
    return parsed is not None and (reference.get("kind"), reference.get("name")) == (parsed.kind, parsed.name)


def _parsed(owner: str) -> ManifestRef | None:
    try:
        return ManifestRef.parse(owner)
    except EventError:
        return None
