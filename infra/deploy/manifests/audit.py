"""Where the authority's audit device of type socket writes to: who listens, and under which name it is reached."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.workloads import BROKER
from infra.deploy.rbac import WATCH

AUDIT = "audit"
SOCKET = "LOCKSTEP_AUDIT_SOCKET"  # as infra.hosts.watch reads it


def listener(installation: Installation) -> str:
    """The workload that listens; "" where nobody was asked to. There is one pod of it: lines are told once."""
    if not installation.audit_port:
        return ""
    return WATCH if installation.target == "knative" else BROKER


def environment(workload: str, installation: Installation) -> dict[str, str]:
    """What the watch is told; the embedded broker reads it in lockstep.yaml."""
    if workload != WATCH or listener(installation) != WATCH:
        return {}
    return {SOCKET: f"0.0.0.0:{installation.audit_port}"}


def ports(workload: str, installation: Installation) -> list[Document]:
    """What a container opens for it."""
    mine = workload == listener(installation)
    return [{"name": AUDIT, "containerPort": installation.audit_port}] if mine else []


def services(installation: Installation) -> list[Document]:
    """`audit.lockstep.svc`, the address that the authority's device is given."""
    who = listener(installation)
    if not who:
        return []
    port = installation.audit_port
    spec = {"selector": labels(who), "ports": [{"name": AUDIT, "port": port, "targetPort": port}]}
    return [document("v1", "Service", AUDIT, labels=labels(AUDIT), spec=spec)]
