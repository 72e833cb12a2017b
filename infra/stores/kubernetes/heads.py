"""Objects of others as sources see them: never ours, never marked."""

from collections.abc import Mapping

from events.references import SecretRef
from functions._ports import Secret, SecretHead
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.resources import Object, Resource
from infra.stores.kubernetes.marks import Metadata, annotations_of, labels_of, metadata_of, state_of


def head(api: Api, resource: Resource, ref: SecretRef) -> SecretHead | None:
    """From metadata alone."""
    found = api.get(resource, ref.name, ref.namespace, metadata_only=True)
    if found is None:
        return None
    return head_of(ref, metadata_of(found))


def head_of(ref: SecretRef, metadata: Metadata) -> SecretHead:
    """What the metadata of an object says, whoever read it."""
    return SecretHead(
        ref=ref, state=state_of(metadata), labels=labels_of(metadata), annotations=annotations_of(metadata)
    )  # fmt: skip


def plain(ref: SecretRef, found: Object, data: Mapping[str, SecretValue]) -> Secret:
    """The object as a Secret of type Opaque with these keys."""
    metadata = metadata_of(found)
    return Secret(
        ref=ref, data=data, state=state_of(metadata), labels=labels_of(metadata),
        annotations=annotations_of(metadata), immutable=found.get("immutable") is True,
    )  # fmt: skip
