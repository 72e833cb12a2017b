"""What runs: which pods there are for a target, under which account, and who has replicas."""

from collections.abc import Iterator
from dataclasses import dataclass

from events.schedule import ScheduleTicked
from functions import STEPS
from functions._step import Step
from infra.deploy.manifests.installation import Installation
from infra.deploy.rbac import WATCH

RECORD = "record"
RECEIVER = "alertmanager"  # who takes Alertmanager's webhook where steps run as Services of Knative
BROKER = "broker"  # the embedded one, which also watches, ticks and keeps the ledger


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or Service of Knative, with the ServiceAccount of its own name."""

    name: str
    step: Step | None
    replicas: int = 1
    reads_cluster: bool = True  # whether it talks to the API server
    uses_authority: bool = True


def steps(installation: Installation) -> tuple[Workload, ...]:
    """The steps that run by themselves: all, but for the one that keeps the ledger."""
    return tuple(
        Workload(step.name, step, installation.replicas if urgent(step) else 1) for step in STEPS if step.name != RECORD
    )


def workloads(installation: Installation) -> tuple[Workload, ...]:
    """Everything that has an account."""
    record = next(step for step in STEPS if step.name == RECORD)
    if installation.target == "kubernetes":
        return (*steps(installation), Workload(BROKER, record))
    return (
        *steps(installation),
        Workload(RECORD, record, reads_cluster=False),
        Workload(WATCH, None, uses_authority=False),
        Workload(RECEIVER, None, installation.replicas, reads_cluster=False, uses_authority=False),
    )


def account_of(step: Step, installation: Installation) -> str:
    """The ServiceAccount that runs a step."""
    return next(each.name for each in workloads(installation) if each.step is step)


def urgent(step: Step) -> bool:
    """Whether a change waits for this step: it answers to more than the clock."""
    return step.consumes != (ScheduleTicked,)


def replicated(installation: Installation) -> Iterator[Workload]:
    """The workloads of which one pod may be missing."""
    return (each for each in workloads(installation) if each.replicas > 1)
