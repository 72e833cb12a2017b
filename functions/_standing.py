"""Which workload runs which version of a Secret, for whoever asks: read from the cluster, decided by nobody.

Evidence is graded: `materialized`, the Secret carries the version and the kubelet has replaced the files of plain
volumes; `rolled-out`, every pod's containers began after the data changed. What the target system saw (`seen`) is
for rotation to tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events.consumer import WorkloadRef
from events.references import SecretRef
from functions._consumed import KUBELET_SYNC, Consumed, digest_of, marks_of, stale
from functions._marks import DATA_SINCE
from functions._opting import asks, may_want
from functions._ports import Ports, SecretHead
from functions._rollout_records import reverted
from functions._rollout_state import complete
from functions._workloads import FROZEN, Rollout, Use, Workload

Evidence = Literal["none", "materialized", "rolled-out"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One workload of a Secret.

    `state`: `current` (it runs the versions of the Secret's stamp), `moving` (some pods are older, and a rollout is
    under way), `waiting` (for a budget, a window or a paused rollout: `reason`), `stuck` (`reason` as in
    consumer.stuck), `stale` (pods are older, and nobody asked to restart them). `older` of `pods` began before the
    data changed; `restarts` tells whether the workload asks to be restarted at all.
    """

    workload: WorkloadRef
    state: Literal["current", "moving", "waiting", "stuck", "stale"]
    evidence: Evidence
    reason: str
    uses: tuple[str, ...]
    pods: int
    older: int
    restarts: bool


def standings(secret: SecretRef, ports: Ports) -> Iterator[Standing]:
    """The workloads that use a managed Secret, ordered by kind and name; none for a Secret that is not ours.

    Needs WORKLOAD_READ, ROLLOUT_READ and TARGET_METADATA: a list of the namespace, then for every workload that uses
    the Secret its pods and its record.
    """
    head = ports.targets.head(secret)
    if head is None or not head.owner or not head.stamp:
        return
    for workload in ports.workloads.list(secret.namespace):
        if secret.name in workload.uses or may_want(workload, secret.name, ports.settings):
            yield _standing(workload, head, ports)


def _standing(workload: Workload, head: SecretHead, ports: Ports) -> Standing:
    uses = workload.uses.get(head.ref.name, frozenset({Use.NAMED}))
    one = Consumed(head.ref, head.stamp, head.annotations.get(DATA_SINCE, ""), uses)
    record = ports.rollouts.read(workload.ref)
    pods = ports.workloads.pods(workload.ref)
    digest = record.digest if record and one.mark in record.marks.values() else digest_of(marks_of((one,)))
    old = stale((one,), pods, digest)
    evidence = _evidence(one, bool(old), ports.clock.now())
    state, reason = _state(workload, record, bool(old), evidence)
    return Standing(
        workload=workload.ref, state=state, evidence=evidence, reason=reason, uses=tuple(sorted(uses)),
        pods=len(pods), older=len(old), restarts=asks(workload, ports.settings),
    )  # fmt: skip


def _evidence(one: Consumed, older: bool, now: datetime) -> Evidence:
    if not older:
        return "rolled-out"
    synced = one.since is None or now >= one.since + KUBELET_SYNC
    return "materialized" if synced and not one.uses & FROZEN else "none"


def _state(
    workload: Workload, record: Rollout | None, older: bool, evidence: Evidence
) -> tuple[Literal["current", "moving", "waiting", "stuck", "stale"], str]:
    """What the record says counts where it is about this very workload; the pods count in any case."""
    ours = record if record is not None and record.uid == workload.uid else None
    if ours is not None and ours.state in ("waiting", "stuck") and older:
        return ("waiting", ours.reason) if ours.state == "waiting" else ("stuck", ours.reason)
    if ours is not None and older and reverted(ours, workload):
        return "stuck", "reverted"
    if older and ours is not None and ours.state == "rolling":
        return "moving", ""
    if older and evidence == "none":
        return "stale", ""
    return ("current", "") if complete(workload) else ("moving", "")
