"""Without Knative: a Deployment per step, and the embedded broker, which is one pod and must be."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.pods import STEP_COMMAND, pod
from infra.deploy.manifests.record import DATA, claim, service, stateful
from infra.deploy.manifests.workloads import BROKER, Workload, steps, workloads
from infra.deploy.triggers import NAMESPACE

BROKER_COMMAND = ["lockstep", "up", "--listen", "127.0.0.1:8081"]
STEPS_AT = "LOCKSTEP_STEPS_AT"  # where the broker delivers; {step} stands for a step's name


def deployments(installation: Installation) -> list[Document]:
    """The steps, each with its Service."""
    return [one for each in steps(installation) for one in (_step(each, installation), service(each.name))]


def embedded_broker(installation: Installation) -> list[Document]:
    """Broker, ledger, watch and schedules in one pod with one volume.

    Recreate: the old pod is gone before the new one opens its files. Nothing is lost meanwhile: what changed is found
    by the listing that the watch begins with.
    """
    workload = next(each for each in workloads(installation) if each.name == BROKER)
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels(BROKER)},
        "template": {"metadata": {"labels": labels(BROKER)}, "spec": _broker_pod(workload, installation)},
    }
    return [
        document("v1", "PersistentVolumeClaim", BROKER, spec=claim()),
        document("apps/v1", "Deployment", BROKER, labels=labels(BROKER), spec=spec),
        service(BROKER),
    ]


def _broker_pod(workload: Workload, installation: Installation) -> Document:
    steps_at = f"http://{{step}}.{NAMESPACE}.svc"
    spec = stateful(workload, installation, BROKER_COMMAND, {STEPS_AT: steps_at})
    spec["volumes"] += [{"name": DATA, "persistentVolumeClaim": {"claimName": BROKER}}]
    # A node that is lost takes its pods along after this long; with the volume's release it is the failover time.
    spec["tolerations"] = [
        {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
        for state in ("not-ready", "unreachable")
    ]
    return spec


def _step(workload: Workload, installation: Installation) -> Document:
    spec = {
        "replicas": workload.replicas,
        "selector": {"matchLabels": labels(workload.name)},
        "template": {
            "metadata": {"labels": labels(workload.name)},
            "spec": pod(workload, installation, STEP_COMMAND),
        },
    }
    return document("apps/v1", "Deployment", workload.name, labels=labels(workload.name), spec=spec)
