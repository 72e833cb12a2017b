"""The document `access.yaml`, as people write it.

apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
metadata: {name: default}
spec:
  namespaces:
    platform-data: {publish: [secret/platform-data/postgres/*]}
    temporal: {read: [secret/platform-data/*/temporal, secret/platform-config/**]}

Globs cover the canonical path, mount included: `*` stands for anything within a segment, `**` across segments.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from events.references import NamespaceName
from functions._manifests.expression import LONGEST
from functions._manifests.shape import Metadata, Shape
from infra.wiring.access import AccessError
from infra.wiring.tree import Mapping, TreeError, line_of, parse_tree
from infra.wiring.wording import worded

_GLOB_SEGMENT = re.compile(r"[-A-Za-z0-9_.*]+")


def _glob(text: str) -> str:
    if len(text) > LONGEST // 8 or not all(_GLOB_SEGMENT.fullmatch(part) for part in text.split("/")):
        raise ValueError("is no glob of paths: segments of letters, digits, '-', '_', '.', '*', joined by single '/'")
    if "***" in text:
        raise ValueError("has '***'; use '*' within a segment or '**' across segments")
    if "/" not in text and text != "**":
        raise ValueError("has one segment only; begin with the mount, as in secret/platform-data/postgres/*")
    return text


Glob = Annotated[str, AfterValidator(_glob)]


class NamespaceAccess(Shape):
    """What one namespace may do."""

    publish: tuple[Glob, ...] = ()
    read: tuple[Glob, ...] = ()


class AccessSpec(Shape):
    """Namespaces by name; one that is not there may do nothing."""

    namespaces: dict[NamespaceName, NamespaceAccess] = Field(default_factory=dict)


class AccessPolicy(Shape):
    """The document."""

    api_version: Literal["lockstep.dev/v1alpha1"]
    kind: Literal["AccessPolicy"]
    metadata: Metadata | None = None
    spec: AccessSpec


def load_policy(raw: bytes, name: str) -> AccessPolicy:
    """Read a policy. Raises AccessError naming file and line."""
    try:
        tree = parse_tree(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise AccessError(f"{name}:1: is not UTF-8") from None
    except TreeError as error:
        raise AccessError(f"{name}:{error.line}: {error}") from None
    if not isinstance(tree, Mapping):
        raise AccessError(f"{name}:1: is empty or no object; remove the file for one trust domain")
    try:
        return AccessPolicy.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise AccessError(f"{name}:{line_of(tree, first['loc'])}: {worded(first)}") from None
