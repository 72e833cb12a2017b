"""The parts that all documents have."""

from collections.abc import Mapping
from typing import Any

from infra.deploy.manifests.installation import Document
from infra.deploy.triggers import NAMESPACE

PART_OF = {"app.kubernetes.io/part-of": "lockstep"}
NAME = "app.kubernetes.io/name"


def document(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str | None = NAMESPACE,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **members: Any,
) -> Document:
    """One document; `namespace` None for a cluster-scoped kind."""
    metadata: Document = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata["labels"] = {**PART_OF, **(labels or {})}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **members}


def labels(name: str) -> dict[str, str]:
    """What selects the pods of one workload of ours."""
    return {**PART_OF, NAME: name}
