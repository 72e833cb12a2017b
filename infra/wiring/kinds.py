"""Which kinds are the wiring, which are known to be something else, and what is said about the others."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from infra.wiring import rules
from infra.wiring.finding import Rule

if TYPE_CHECKING:  # each is loaded where one is wired, as `_MODULES` says: a step starts without the others
    from functions._manifests.cluster_secret_store import ClusterSecretStore
    from functions._manifests.external_secret import ExternalSecret
    from functions._manifests.push_secret import PushSecret
    from functions._manifests.rotation import Rotation
    from functions._manifests.rotation_target import RotationTarget

ESO = "external-secrets.io"
OURS = "lockstep.dev"

WiredManifest: TypeAlias = "PushSecret | ExternalSecret | ClusterSecretStore | Rotation"
WiredModel: TypeAlias = "type[PushSecret] | type[ExternalSecret] | type[ClusterSecretStore] | type[Rotation]"

_TARGET = "RotationTarget"
_MODULES = {  # of functions._manifests
    "PushSecret": "push_secret",
    "ExternalSecret": "external_secret",
    "ClusterSecretStore": "cluster_secret_store",
    "Rotation": "rotation",
    _TARGET: "rotation_target",
}
_GROUPS = {"PushSecret": ESO, "ExternalSecret": ESO, "ClusterSecretStore": ESO, "Rotation": OURS}

# Groups that a GitOps checkout also holds. Anything else may be a wiring manifest with a slip in its name, and a
# slip must not look like a removal.
_FOREIGN_GROUPS = frozenset(
    (
        "acid.zalan.do", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps",
        "argoproj.io", "autoscaling", "batch", "bitnami.com", "cert-manager.io", "coordination.k8s.io",
        "discovery.k8s.io", "eventing.knative.dev", "gateway.networking.k8s.io", "helm.cattle.io",
        "helm.toolkit.fluxcd.io", "kustomize.config.k8s.io", "kustomize.toolkit.fluxcd.io", "kyverno.io",
        "monitoring.coreos.com", "networking.k8s.io", "node.k8s.io", "policy", "rbac.authorization.k8s.io",
        "scheduling.k8s.io", "secretgen.carvel.dev", "secrets-store.csi.x-k8s.io", "secrets.hashicorp.com",
        "serving.knative.dev", "source.toolkit.fluxcd.io", "sources.knative.dev", "storage.k8s.io",
    )
)  # fmt: skip
_CORE_KINDS = frozenset(
    (
        "ConfigMap", "Endpoints", "LimitRange", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod",
        "ReplicationController", "ResourceQuota", "Secret", "Service", "ServiceAccount",
    )
)  # fmt: skip


def wired_model(body: dict[str, Any]) -> "WiredModel | None":
    """The model of a manifest that is part of the wiring."""
    kind = str(body.get("kind", ""))
    if str(body.get("apiVersion", "")).partition("/")[0] != _GROUPS.get(kind):
        return None
    model: WiredModel = _model(kind)
    return model


def platform_model(body: dict[str, Any]) -> "type[RotationTarget] | None":
    """The model of a manifest that only the platform writes, beside the wiring."""
    ours = str(body.get("apiVersion", "")).partition("/")[0] == OURS
    if not ours or body.get("kind") != _TARGET:
        return None
    model: type[RotationTarget] = _model(_TARGET)
    return model


def _model(kind: str) -> Any:
    return getattr(import_module(f"functions._manifests.{_MODULES[kind]}"), kind)


def kind_problem(body: dict[str, Any]) -> tuple[Rule, str] | None:
    """What to say about an object that is no part of the wiring; None for one that is known to be something else."""
    api, kind = body.get("apiVersion"), body.get("kind")
    if api is None and kind is None:
        return rules.NO_OBJECT, "has neither apiVersion nor kind"
    if not isinstance(api, str) or not isinstance(kind, str):
        return rules.UNKNOWN_KIND, "has no apiVersion and kind; every manifest states both"
    group = api.partition("/")[0] if "/" in api else ""
    if group == ESO or group.endswith("." + ESO):
        return _eso_problem(kind, group)
    if kind in _GROUPS:
        return rules.UNKNOWN_KIND, f"{kind} has apiVersion {api[:80]!r}; it belongs to {_GROUPS[kind]}"
    if kind == "AccessPolicy":
        return rules.UNKNOWN_KIND, "AccessPolicy is no part of the wiring; it stands in access.yaml beside it"
    if kind == _TARGET:
        return rules.UNKNOWN_KIND, f"{kind} is no part of the wiring; it stands in the folder targets beside it"
    known = kind in _CORE_KINDS if api == "v1" else group in _FOREIGN_GROUPS
    return None if known else (rules.FOREIGN_KIND, f"{api[:80]} {kind[:63]} is no kind that is known here")


def _eso_problem(kind: str, group: str) -> tuple[Rule, str]:
    if kind == "SecretStore":
        return rules.NAMESPACED_STORE, "SecretStore is scoped to a namespace; declare a ClusterSecretStore"
    if kind in ("ClusterExternalSecret", "ClusterPushSecret"):
        return rules.CLUSTER_WIDE, f"{kind} is not used; write one {kind.removeprefix('Cluster')} per namespace"
    if group != ESO or kind == "ClusterGenerator":
        return rules.GENERATOR, f"{kind[:63]} is a generator; generators are not used"
    return rules.UNKNOWN_KIND, f"{kind[:63]} is no kind of {ESO} that is known here"
