"""The kinds of objects that Lockstep meets, and where the API server keeps them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Object = dict[str, Any]
"""A decoded object of the API. It may hold values (a Secret's data): it goes into no message, log or event."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as one version of its API serves it; `group` is "" for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As people and RBAC name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Where its objects are: all of them, those of a namespace, one of them, or a subresource of one."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{quote(namespace, safe='')}" if namespace is not None and self.namespaced else ""
        below = "".join(f"/{quote(part, safe='')}" for part in (name, subresource) if part)
        return f"{root}{place}/{self.plural}{below}"


_ESO = "external-secrets.io"
_OURS = "lockstep.dev"

SECRETS = Resource("", "v1", "secrets", "Secret")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICES = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PODS = Resource("", "v1", "pods", "Pod")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
PUSH_SECRETS = Resource(_ESO, "v1alpha1", "pushsecrets", "PushSecret")
EXTERNAL_SECRETS = Resource(_ESO, "v1", "externalsecrets", "ExternalSecret")
CLUSTER_EXTERNAL_SECRETS = Resource(
    _ESO, "v1", "clusterexternalsecrets", "ClusterExternalSecret", namespaced=False
)  # fmt: skip
SECRET_STORES = Resource(_ESO, "v1", "secretstores", "SecretStore")
CLUSTER_SECRET_STORES = Resource(_ESO, "v1", "clustersecretstores", "ClusterSecretStore", namespaced=False)
ROTATIONS = Resource(_OURS, "v1alpha1", "rotations", "Rotation")
ROTATION_TARGETS = Resource(_OURS, "v1alpha1", "rotationtargets", "RotationTarget", namespaced=False)
CUSTOM_RESOURCE_DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)  # fmt: skip
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)  # fmt: skip
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)  # fmt: skip
