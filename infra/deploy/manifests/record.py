"""The ledger on Knative: one replica with a volume of its own, fed by every event and by what was given up."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.pods import PORT, STEP_COMMAND, completed, container
from infra.deploy.manifests.workloads import RECORD, Workload, workloads

VOLUME_SIZE = "10Gi"
STATE = "/srv/lockstep"  # as in func.yaml and the Containerfile
DATA = "data"


def record(installation: Installation) -> list[Document]:
    """StatefulSet and Service. Two at once would be two ledgers: an update stops the old pod first."""
    workload = next(each for each in workloads(installation) if each.name == RECORD)
    spec = {
        "replicas": 1,
        "serviceName": RECORD,
        "selector": {"matchLabels": labels(RECORD)},
        "podManagementPolicy": "OrderedReady",
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": {"metadata": {"labels": labels(RECORD)}, "spec": _pod(workload, installation)},
        "volumeClaimTemplates": [{"metadata": {"name": DATA}, "spec": claim()}],
    }
    return [
        document("apps/v1", "StatefulSet", RECORD, labels=labels(RECORD), spec=spec),
        service(RECORD),
    ]


def claim() -> Document:
    """The spec of a volume that one node at a time writes."""
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": VOLUME_SIZE}}}


def service(name: str) -> Document:
    """A Service inside the cluster, on the port that Knative assumes."""
    ports = [{"name": "http", "port": 80, "targetPort": PORT}]
    return document("v1", "Service", name, labels=labels(name), spec={"selector": labels(name), "ports": ports})


def stateful(workload: Workload, installation: Installation, command: list[str], extra: dict[str, str]) -> Document:
    """A pod whose one container writes to the volume `data`, and to a directory of its own for what may be lost."""
    one = container(workload, installation, command, extra={"LOCKSTEP_ROOT": STATE, **extra})
    one["volumeMounts"] += [{"name": DATA, "mountPath": STATE}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  the path in the pod, not here
    spec = completed({"containers": [one]}, workload, installation)
    spec["volumes"] += [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    return spec


def _pod(workload: Workload, installation: Installation) -> Document:
    return stateful(workload, installation, STEP_COMMAND, {})
