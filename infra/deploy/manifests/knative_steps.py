"""One Knative Service per step, all of one image: what differs is the step's name, account and scale."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.pods import STEP_COMMAND, container, identity
from infra.deploy.manifests.workloads import Workload, steps, urgent

CONCURRENCY = 8  # deliveries of one pod at once; each holds a thread and waits for the authority
MOST_PODS = 5
CLUSTER_LOCAL = {"networking.knative.dev/visibility": "cluster-local"}


def services(installation: Installation) -> list[Document]:
    """The steps' Services, reachable from inside the cluster only."""
    return [_service(each, installation) for each in steps(installation)]


def _service(workload: Workload, installation: Installation) -> Document:
    scale = {
        # A step that changes wait for is never cold; one that ticks drive may be.
        "autoscaling.knative.dev/min-scale": str(workload.replicas if workload.step and urgent(workload.step) else 0),
        "autoscaling.knative.dev/max-scale": str(MOST_PODS),
        "autoscaling.knative.dev/target": str(CONCURRENCY),
    }
    spec = {
        **identity(workload, installation),
        "containerConcurrency": CONCURRENCY,
        "timeoutSeconds": 60,
        "containers": [container(workload, installation, STEP_COMMAND)],
    }
    return document(
        "serving.knative.dev/v1",
        "Service",
        workload.name,
        labels={**labels(workload.name), **CLUSTER_LOCAL},
        spec={"template": {"metadata": {"annotations": scale, "labels": labels(workload.name)}, "spec": spec}},
    )
