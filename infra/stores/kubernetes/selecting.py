"""Which objects of a namespace a label selector chooses, from their metadata alone."""

import re

from events.references import SecretRef
from functions._manifests.rare import LabelRequirement, LabelSelector
from infra.kubernetes.api import Api
from infra.kubernetes.resources import Resource
from infra.stores.kubernetes.marks import metadata_of

_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def select(api: Api, resource: Resource, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
    """The matching objects, ordered by name. The server narrows them down; the selector itself decides."""
    listing = api.list(resource, namespace, labels=selector_text(selector), metadata_only=True)
    found = []
    for each in listing.items:
        metadata = metadata_of(each)
        if selector.matches(metadata.get("labels") or {}):
            found.append(SecretRef(namespace=namespace, name=metadata["name"]))
    return tuple(sorted(found, key=lambda ref: ref.name))


def selector_text(selector: LabelSelector) -> str:
    """As the API takes it. What could be read as something else is left out: the result is narrowed down here too."""
    parts = [f"{key}={value}" for key, value in selector.match_labels.items() if _legal(key, value)]
    parts += [
        _requirement(each) for each in selector.match_expressions if _legal(each.key, *each.values)
    ]  # fmt: skip
    return ",".join(parts)


def _requirement(requirement: LabelRequirement) -> str:
    values = ",".join(requirement.values)
    return {
        "In": f"{requirement.key} in ({values})",
        "NotIn": f"{requirement.key} notin ({values})",
        "Exists": requirement.key,
        "DoesNotExist": f"!{requirement.key}",
    }[requirement.operator]


def _legal(key: str, *values: str) -> bool:
    return bool(_KEY.fullmatch(key)) and all(_VALUE.fullmatch(value) for value in values)
