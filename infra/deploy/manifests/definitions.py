"""Our own kinds in a cluster: custom resource definitions, rendered from the models that read them.

Unknown fields are refused by `kubectl` and by strict field validation; parameters of a target are its type's, and
are kept as they are written.
"""

from collections.abc import Mapping
from typing import Any

from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from functions._manifests.shape import Manifest
from infra.deploy.manifests.installation import Document
from infra.deploy.manifests.objects import document
from infra.kubernetes.resources import ROTATION_TARGETS, ROTATIONS, Resource

SCHEMAS = "docs/schemas/manifests"
# As `parse_duration` reads them: what the API server takes should be what we take.
_DURATION = r"^[+]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$"
_KEPT = (
    "description", "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
    "maxItems",
)  # fmt: skip
_RBAC = "rbac.authorization.k8s.io"
_EDIT = ("get", "list", "watch", "create", "update", "patch", "delete")
_VIEW = ("get", "list", "watch")
_CONDITIONS: Document = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["type", "status"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string"},
            "message": {"type": "string"},
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
    },
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}
_PUBLISHED: Document = {
    "type": "object",
    "required": ["mount", "path", "version", "created"],
    "properties": {
        "mount": {"type": "string"},
        "path": {"type": "string"},
        "version": {"type": "integer", "format": "int64"},
        "created": {"type": "string"},
        "id": {"type": "string"},
        "generation": {"type": "string"},
    },
}
_ROTATION_STATUS: Document = {
    "type": "object",
    "description": "Lockstep's own: how far it is, and which versions of which paths it stands by.",
    "properties": {
        "conditions": _CONDITIONS,
        "phase": {"type": "string"},
        "rotation": {"type": "string"},
        "policy": {"type": "string"},
        "version": {"type": "integer", "format": "int64"},
        "refreshTime": {"type": "string", "format": "date-time"},
        "publications": {"type": "object", "additionalProperties": _PUBLISHED},
    },
}
_TARGET_STATUS: Document = {"type": "object", "properties": {"conditions": _CONDITIONS}}
# Said at `kubectl apply` already; the models say the same to whoever comes another way.
_CONSISTENT: tuple[Document, ...] = (
    {
        "rule": "(self.strategy == 'alternating') == has(self.target.accounts)",
        "message": "strategy alternating takes target.accounts (two of them), every other target.account",
    },
    {
        "rule": "has(self.target.accounts) != has(self.target.account)",
        "message": "target names account or accounts, and one of them",
    },
    {
        "rule": "!has(self.schedule) || (has(self.schedule.interval) != has(self.schedule.cron))",
        "message": "schedule names exactly one of interval and cron",
    },
)
_ROTATION_COLUMNS = (
    ("Ready", ".status.conditions[?(@.type=='Ready')].status", "string"),
    ("Reason", ".status.conditions[?(@.type=='Ready')].reason", "string"),
    ("Phase", ".status.phase", "string"),
    ("Version", ".status.version", "integer"),
    ("Target", ".spec.target.name", "string"),
    ("Strategy", ".spec.strategy", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)
_TARGET_COLUMNS = (
    ("Ready", ".status.conditions[?(@.type=='Ready')].status", "string"),
    ("Reason", ".status.conditions[?(@.type=='Ready')].reason", "string"),
    ("Type", ".spec.type", "string"),
    ("Age", ".metadata.creationTimestamp", "date"),
)


def definitions() -> list[Document]:
    """The definitions, and who of a cluster's people may use them: a namespace's editors its Rotations alone."""
    return [
        _definition(ROTATIONS, Rotation, _ROTATION_STATUS, _ROTATION_COLUMNS, _CONSISTENT),
        _definition(ROTATION_TARGETS, RotationTarget, _TARGET_STATUS, _TARGET_COLUMNS, ()),
        _role("lockstep-rotations-edit", ROTATIONS, _EDIT, ("edit", "admin")),
        _role("lockstep-rotations-view", ROTATIONS, _VIEW, ("view",)),
        _role("lockstep-rotationtargets-edit", ROTATION_TARGETS, _EDIT, ()),  # for who binds it: the platform
        _role("lockstep-rotationtargets-view", ROTATION_TARGETS, _VIEW, ()),
    ]


def schema(model: type[Manifest]) -> Document:
    """The structural schema of a kind's `spec`."""
    whole = model.model_json_schema(by_alias=True)
    return _structural(whole["properties"]["spec"], whole.get("$defs", {}))


def json_schema(model: type[Manifest]) -> Document:
    """The JSON Schema of a whole manifest, for editors and checks."""
    metadata: Document = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    if model.NAMESPACED:
        metadata["required"].append("namespace")
        metadata["properties"]["namespace"] = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.KIND,
        "description": _sentence(model.__doc__ or ""),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "enum": [ROTATIONS.api_version]},
            "kind": {"type": "string", "enum": [model.KIND]},
            "metadata": metadata,
            "spec": schema(model),
        },
    }


def _definition(
    resource: Resource, model: type[Manifest], status: Document, columns: tuple[tuple[str, str, str], ...],
    rules: tuple[Document, ...],
) -> Document:  # fmt: skip
    spec = schema(model)
    if rules:
        spec["x-kubernetes-validations"] = list(rules)
    version: Document = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": _sentence(model.__doc__ or ""),
                "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"type": "object"},
                    "spec": spec,
                    "status": status,
                },
            }
        },
        "subresources": {"status": {}},
        "additionalPrinterColumns": [{"name": name, "jsonPath": path, "type": kind} for name, path, kind in columns],
    }
    return document(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", resource.qualified, namespace=None,
        spec={
            "group": resource.group,
            "names": {
                "plural": resource.plural, "singular": resource.kind.lower(), "kind": resource.kind,
                "listKind": f"{resource.kind}List", "categories": ["lockstep"],
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [version],
        },
    )  # fmt: skip


def _role(name: str, resource: Resource, verbs: tuple[str, ...], into: tuple[str, ...]) -> Document:
    labels = {f"{_RBAC}/aggregate-to-{role}": "true" for role in into}
    rules = [{"apiGroups": [resource.group], "resources": [resource.plural], "verbs": list(verbs)}]
    return document(f"{_RBAC}/v1", "ClusterRole", name, namespace=None, labels=labels, rules=rules)


def _structural(part: Mapping[str, Any], known: Mapping[str, Any]) -> Document:
    """What pydantic says of a field, as a structural schema: no references, no alternatives, durations as texts."""
    if "$ref" in part:
        return _structural(known[part["$ref"].rsplit("/", 1)[-1]], known)
    if "anyOf" in part:
        (found,) = [one for one in part["anyOf"] if one.get("type") != "null"]  # absent is all that null may mean
        return _structural(found, known)
    if part.get("type") == "number":
        return {"type": "string", "pattern": _DURATION, "description": "A duration: 90s, 10m, 1h30m."}
    made: Document = {name: part[name] for name in _KEPT if name in part}
    if "description" in made:
        made["description"] = _sentence(made["description"])
    if "const" in part:
        made["enum"] = [part["const"]]
    if made.get("type") == "array":
        made["items"] = _structural((part.get("prefixItems") or [part["items"]])[0], known)
    elif "properties" in part:
        made["properties"] = {name: _structural(one, known) for name, one in part["properties"].items()}
        if required := part.get("required"):
            made["required"] = list(required)
    elif made.get("type") == "object":
        _open(made, part.get("additionalProperties"), known)
    return made


def _open(made: Document, values: object, known: Mapping[str, Any]) -> None:
    """A mapping whose keys the user chooses."""
    if isinstance(values, dict) and values:
        made["additionalProperties"] = _structural(values, known)
    else:
        made["x-kubernetes-preserve-unknown-fields"] = True


def _sentence(text: str) -> str:
    return " ".join(text.split())
