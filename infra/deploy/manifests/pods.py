"""The one container that everything of ours runs in, and what is mounted into it."""

from collections.abc import Mapping

from infra.deploy.manifests import audit
from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.namespaces import CERTIFICATES, SETTINGS
from infra.deploy.manifests.workloads import Workload
from infra.deploy.vault_policies import policy_name

PORT = 8080
PLAIN_HTTP = "LOCKSTEP_PLAIN_HTTP"  # NetworkPolicies let only the broker, probes and Prometheus reach it
STEP_COMMAND = ["python", "-m", "infra.hosts.step"]  # as in func.yaml and the Containerfile
USER = 65532  # nobody's; the image's own
_TOKENS = "/var/run/secrets"
_CLUSTER = f"{_TOKENS}/kubernetes.io/serviceaccount"  # where every client looks for it
_AUTHORITY = f"{_TOKENS}/lockstep/authority"
_SETTINGS = "/etc/lockstep"
_CERTIFICATES = "/etc/lockstep-authority"
AUTHORITY_TOKEN_SECONDS = 600  # the least that Kubernetes grants; the kubelet replaces it in time
CLUSTER_TOKEN_SECONDS = 3600

RESOURCES = {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "192Mi"}}


def container(
    workload: Workload, installation: Installation, command: list[str], *, extra: Mapping[str, str] | None = None
) -> Document:
    """The container of a workload; `extra` are further variables."""
    return {
        "name": "lockstep",
        "image": installation.image,
        "command": command,
        "env": [{"name": name, "value": value} for name, value in _environment(workload, installation, extra).items()],
        **_served(workload, installation),
        "resources": RESOURCES,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": USER,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": volume["name"], "mountPath": path, "readOnly": True}
            for volume, path in _mounts(workload, installation)
        ],
    }


def pod(
    workload: Workload, installation: Installation, command: list[str], *, extra: Mapping[str, str] | None = None
) -> Document:
    """The pod of a workload that is no Service of Knative: probes and the pod's own security context in full."""
    one = container(workload, installation, command, extra=extra)
    return completed({"containers": [one]}, workload, installation)


def completed(spec: Document, workload: Workload, installation: Installation) -> Document:
    """A pod around its containers. The API server needs the ports of probes, which Knative fills in by itself."""
    for one in spec["containers"]:
        for probe in {"livenessProbe", "readinessProbe"} & one.keys():
            one[probe]["httpGet"]["port"] = PORT
    return {
        **identity(workload, installation),
        "securityContext": {
            "fsGroup": USER,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 30,
        **spec,
    }


def identity(workload: Workload, installation: Installation) -> Document:
    """The account, and the volumes that its tokens come in."""
    return {
        "serviceAccountName": workload.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": [volume for volume, _ in _mounts(workload, installation)],
    }


def _served(workload: Workload, installation: Installation) -> Document:
    """The ports, and what is asked at the first."""
    return {
        "ports": [{"containerPort": PORT}, *audit.ports(workload.name, installation)],
        "livenessProbe": {"httpGet": {"path": "/health/liveness"}, "periodSeconds": 10, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": {"path": "/health/readiness"}, "periodSeconds": 5, "timeoutSeconds": 5},
    }


def _environment(workload: Workload, installation: Installation, extra: Mapping[str, str] | None) -> dict[str, str]:
    found = {"LISTEN_ADDRESS": f"0.0.0.0:{PORT}", PLAIN_HTTP: "beyond-loopback"}
    found["LOCKSTEP_SETTINGS"] = f"{_SETTINGS}/lockstep.yaml"
    found["LOCKSTEP_CLUSTER"] = installation.cluster
    if workload.step is not None:
        found["LOCKSTEP_STEP"] = workload.step.name
    if workload.reads_cluster:
        found["LOCKSTEP_CONTEXT"] = "in-cluster"
    if workload.uses_authority and workload.step is not None:
        found |= {
            "BAO_ADDR": installation.authority,
            "BAO_K8S_MOUNT": installation.auth_mount,
            "BAO_K8S_ROLE": policy_name(workload.step.name),
            "BAO_K8S_TOKEN_FILE": f"{_AUTHORITY}/token",
        }
        if installation.authority_ca:
            found["BAO_CACERT"] = f"{_CERTIFICATES}/ca.crt"
    return found | audit.environment(workload.name, installation) | dict(extra or {})


def _mounts(workload: Workload, installation: Installation) -> list[tuple[Document, str]]:
    mounts: list[tuple[Document, str]] = [({"name": "settings", "configMap": {"name": SETTINGS}}, _SETTINGS)]
    if workload.reads_cluster:
        token = {"serviceAccountToken": {"path": "token", "expirationSeconds": CLUSTER_TOKEN_SECONDS}}
        ca = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
        own = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
        where = {"downwardAPI": {"items": [own]}}  # clients look for all three files in one place
        mounts.append(({"name": "cluster", "projected": {"sources": [token, ca, where]}}, _CLUSTER))
    if workload.uses_authority:
        audience = {"audience": installation.audience, "expirationSeconds": AUTHORITY_TOKEN_SECONDS, "path": "token"}
        token = {"serviceAccountToken": audience}
        mounts.append(({"name": "authority", "projected": {"sources": [token]}}, _AUTHORITY))
    if workload.uses_authority and installation.authority_ca:
        mounts.append(({"name": "authority-ca", "configMap": {"name": CERTIFICATES}}, _CERTIFICATES))
    return mounts
