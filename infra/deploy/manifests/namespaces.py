"""The namespace that everything of ours is in, and the settings that its pods read."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document
from infra.deploy.triggers import NAMESPACE

_LEVELS = ("enforce", "audit", "warn")
SETTINGS = "lockstep-settings"
ACCESS = "access.yaml"
CERTIFICATES = "lockstep-authority-ca"
_DEFAULT_SETTINGS = "apiVersion: lockstep.dev/v1alpha1\nkind: Configuration\n"


def namespaces() -> list[Document]:
    """Ours, in which no pod may be more than `restricted` lets it be."""
    levels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in _LEVELS}
    return [document("v1", "Namespace", NAMESPACE, namespace=None, labels=levels)]


def settings(installation: Installation) -> list[Document]:
    """lockstep.yaml and, where there is one, the access policy: whoever may write these decides."""
    found = [document("v1", "ConfigMap", SETTINGS, data={"lockstep.yaml": installation.settings or _DEFAULT_SETTINGS})]
    if installation.access:
        found.append(document("v1", "ConfigMap", ACCESS, data={ACCESS: installation.access}))
    if installation.authority_ca:
        found.append(document("v1", "ConfigMap", CERTIFICATES, data={"ca.crt": installation.authority_ca}))
    return found
