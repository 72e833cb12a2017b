"""Alertmanager's webhook on Knative: who takes it, under which name it is reached, and how Alertmanager is told.

The receiver may do nothing but send reports of leaks to the Broker: it has no right at the API server, and no token for
the authority. Alertmanager's credentials are in a Secret that an operator makes; Lockstep knows their digest alone
(lockstep.yaml, `reporters`), and no pod of ours may read that Secret.
"""

from collections.abc import Iterable

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.pods import PORT, pod
from infra.deploy.manifests.ticks import BROKER_REF
from infra.deploy.manifests.workloads import BROKER, RECEIVER, workloads
from infra.deploy.triggers import NAMESPACE
from infra.deploy.wired import Wired

COMMAND = ["python", "-m", "infra.hosts.receiving"]
MOUNTS = "LOCKSTEP_MOUNTS"  # as infra.hosts.receiving reads it
CREDENTIALS = {"name": "lockstep-alertmanager", "key": "token"}


def receiver(wired: Wired, installation: Installation) -> list[Document]:
    """Deployment, Service, and the SinkBinding that gives it its address and its identity at the Broker."""
    workload = next(each for each in workloads(installation) if each.name == RECEIVER)
    mounts = sorted(_deep(wired))
    template = pod(workload, installation, COMMAND, extra={MOUNTS: ",".join(mounts)} if mounts else None)
    spec = {
        "replicas": workload.replicas,
        "selector": {"matchLabels": labels(RECEIVER)},
        "template": {"metadata": {"labels": labels(RECEIVER)}, "spec": template},
    }
    # Not `http`, which monitors scrape: it counts nothing.
    ports = [{"name": "webhook", "port": 80, "targetPort": PORT}]
    subject = {"apiVersion": "apps/v1", "kind": "Deployment", "name": RECEIVER, "namespace": NAMESPACE}
    return [
        document("apps/v1", "Deployment", RECEIVER, labels=labels(RECEIVER), spec=spec),
        document(
            "v1", "Service", RECEIVER, labels=labels(RECEIVER), spec={"selector": labels(RECEIVER), "ports": ports}
        ),
        document(
            "sources.knative.dev/v1", "SinkBinding", RECEIVER, spec={"sink": {"ref": BROKER_REF}, "subject": subject}
        ),
    ]


def alertmanager_config(installation: Installation) -> list[Document]:
    """For Prometheus' operator: the route and the receiver of infra/deploy/alertmanager, at our Service."""
    service = RECEIVER if installation.target == "knative" else BROKER
    webhook = {
        "url": f"http://{service}.{NAMESPACE}.svc/alertmanager",
        "sendResolved": True,
        "maxAlerts": 10_000,
        "httpConfig": {"followRedirects": False, "authorization": {"type": "Bearer", "credentials": CREDENTIALS}},
    }
    route = {
        "receiver": "lockstep",
        "matchers": [{"name": "lockstep", "value": "leak", "matchType": "="}],
        "groupBy": ["..."],
        "groupWait": "0s",
        "groupInterval": "1m",
        "repeatInterval": "1h",
        "continue": True,
    }
    spec = {"route": route, "receivers": [{"name": "lockstep", "webhookConfigs": [webhook]}]}
    return [document("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig", "lockstep", spec=spec)]


def _deep(wired: Wired) -> Iterable[str]:
    """Mounts that an address does not tell from a path."""
    paths = wired.paths.produced | wired.paths.consumed | wired.paths.rotated
    return {path.mount for path in paths if "/" in path.mount}
