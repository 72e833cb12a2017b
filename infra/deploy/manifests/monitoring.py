"""What Prometheus scrapes, and when it wakes somebody."""

from dataclasses import dataclass

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import PART_OF, document
from infra.deploy.manifests.workloads import steps

_API = "monitoring.coreos.com/v1"
_EVERY = "30s"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; `text` says what it means and what to do next."""

    name: str
    expression: str
    minutes: int
    severity: str
    text: str


ALERTS = (
    Alert(
        "LockstepOutOfStep", "max(lockstep_out_of_step) > 0", 10, "warning",
        "Consumers do not carry what their source asks. `lockstep status` names them, `lockstep explain` says why.",
    ),
    Alert(
        "LockstepDeadLetters", "max(lockstep_dead_letters) > 0", 1, "warning",
        "Deliveries were given up. `lockstep dead-letters list` says which and why; replay or drop them.",
    ),
    Alert(
        "LockstepStalled", "max(lockstep_stall_seconds) > 120", 5, "warning",
        "An event does not get through its steps. `lockstep events` shows what it is retried for.",
    ),
    Alert(
        "LockstepAnchorLag", "max(lockstep_anchor_lag_entries) > 0", 15, "warning",
        "The ledger's newest entries have had no anchor at the authority for a quarter of an hour. "
        "`lockstep audit verify --anchor-now` says what stands in the way.",
    ),
    Alert(
        "LockstepAuthorityDown", "min(lockstep_authority_up) < 1", 2, "critical",
        "The authority is down or sealed. Changes wait and nothing is lost; consumers keep what they have.",
    ),
    Alert(
        "LockstepGone", "absent(lockstep_ledger_entries)", 5, "critical",
        "Nobody tells of the ledger: it does not run, or is not scraped. Look at its pod in the namespace lockstep.",
    ),
)  # fmt: skip


def monitors(installation: Installation) -> list[Document]:
    """Our Services; on Knative also the steps' pods, whose Services lead to the activator."""
    endpoint = {"port": "http", "path": "/metrics", "interval": _EVERY}
    found = [
        document(
            _API, "ServiceMonitor", "lockstep", spec={"selector": {"matchLabels": PART_OF}, "endpoints": [endpoint]}
        )
    ]
    if installation.target == "knative":
        values = sorted(each.name for each in steps(installation))
        expression = {"key": "serving.knative.dev/service", "operator": "In", "values": values}
        pods = {"portNumber": 8080, "path": "/metrics", "interval": _EVERY}
        spec = {"selector": {"matchExpressions": [expression]}, "podMetricsEndpoints": [pods]}
        found.append(document(_API, "PodMonitor", "lockstep-steps", spec=spec))
    return found


def alerts() -> list[Document]:
    """One rule per thing that wants a person."""
    rules = [
        {
            "alert": one.name,
            "expr": one.expression,
            "for": f"{one.minutes}m",
            "labels": {"severity": one.severity},
            "annotations": {"description": one.text},
        }
        for one in ALERTS
    ]
    return [document(_API, "PrometheusRule", "lockstep", spec={"groups": [{"name": "lockstep", "rules": rules}]})]
