"""A cluster's manifests and workloads as files would hold them, for the linter; and where its ledger is kept."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from infra.deploy.triggers import NAMESPACE
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import NoSuchKind
from infra.kubernetes.resources import (
    CLUSTER_EXTERNAL_SECRETS,
    CLUSTER_SECRET_STORES,
    DAEMON_SETS,
    DEPLOYMENTS,
    EXTERNAL_SECRETS,
    PUSH_SECRETS,
    SECRET_STORES,
    STATEFUL_SETS,
    Object,
    Resource,
)

# No Secrets: what their keys hold is nobody's to lint.
_LOOKED_AT = (
    CLUSTER_SECRET_STORES, SECRET_STORES, PUSH_SECRETS, EXTERNAL_SECRETS, CLUSTER_EXTERNAL_SECRETS,
    DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS,
)  # fmt: skip
_METADATA = ("name", "namespace", "labels", "annotations")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEEPERS = ("record", "broker")  # StatefulSets of ours that keep timeline, dead letters and ledger on their volume


def manifests_of(api: Api) -> dict[str, bytes]:
    """One text for each object, by its kind, namespace and name. A kind that the cluster does not serve has none."""
    return dict(_texts(api))


def keeper_of(api: Api) -> str:
    """The StatefulSet that keeps what happened, "" where none is in our namespace."""
    found = (name for name in _KEEPERS if api.get(STATEFUL_SETS, name, NAMESPACE, metadata_only=True) is not None)
    return next(found, "")


def _texts(api: Api) -> Iterator[tuple[str, bytes]]:
    for resource in _LOOKED_AT:
        try:
            found, _ = api.reduced(resource, partial(_text, resource))
        except NoSuchKind:
            continue
        yield from found


def _text(resource: Resource, found: Object) -> tuple[str, bytes]:
    metadata: dict[str, Any] = {name: found["metadata"][name] for name in _METADATA if name in found["metadata"]}
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {name: text for name, text in annotations.items() if name != _LAST_APPLIED}
    body = {
        "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": found.get("spec"),
    }  # fmt: skip
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{resource.kind} {place}{metadata['name']}", json.dumps(body, ensure_ascii=False).encode()
