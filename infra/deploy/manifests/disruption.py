"""PodDisruptionBudgets, only where there are replicas: one for a single pod would hold up every drained node."""

from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document, labels
from infra.deploy.manifests.workloads import replicated


def disruption_budgets(installation: Installation) -> list[Document]:
    """At most one pod of a step may be missing by intent."""
    return [
        document(
            "policy/v1",
            "PodDisruptionBudget",
            each.name,
            spec={"maxUnavailable": 1, "selector": {"matchLabels": labels(each.name)}},
        )
        for each in replicated(installation)
    ]
