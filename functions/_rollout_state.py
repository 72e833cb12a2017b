"""What has become of a workload's rollout, judged by what its controller and its pods tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from functions._consumed import Consumed, stale
from functions._rollout_records import reverted
from functions._workloads import Pod, Rollout, Workload

CRASHES = 3  # restarts of one container from which on a crash loop is no passing thing
_CRASHING = "CrashLoopBackOff"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is one of ConsumerStuck's; `detail` is shown to people."""

    state: Literal["rolling", "adopted", "stuck"]
    reason: str = ""
    detail: str = ""


def judge(
    workload: Workload,
    secrets: Sequence[Consumed],
    record: Rollout,
    pods: Sequence[Pod],
    *,
    now: datetime,
    deadline: float,
) -> Verdict:
    """How far the workload is with what the record is about. `deadline` is in seconds since the record began."""
    if reverted(record, workload) and record.reason != "reverted":
        return Verdict("stuck", "reverted")
    old = stale(secrets, pods, record.digest)
    whole = complete(workload)
    if whole and not old:
        # That it was taken back was told, and is not told again: taking it back made new pods, too.
        return Verdict("adopted", "reverted" if record.reason == "reverted" else "")
    if record.state == "stuck":
        return Verdict("stuck", record.reason, _progress(workload, old, pods))  # until it is adopted after all
    if workload.status.failed:
        return Verdict("stuck", "deadline-exceeded", workload.status.failed)
    if crashed := [pod for pod in _made_for(record, pods) if pod.waiting == _CRASHING and pod.restarts >= CRASHES]:
        return Verdict("stuck", "crash-looping", f"{crashed[0].name}: {crashed[0].restarts} restarts")
    if whole and workload.on_delete:
        return Verdict("stuck", "on-delete", _progress(workload, old, pods))
    if whole and workload.status.updating < workload.status.wanted:
        return Verdict("stuck", "partitioned", _progress(workload, old, pods))
    if now > record.began + timedelta(seconds=deadline):
        return Verdict("stuck", "timed-out", _progress(workload, old, pods))
    return Verdict("rolling")


def complete(workload: Workload) -> bool:
    """Whether the controller has done all that it is going to do, and every pod is available."""
    status = workload.status
    seen = status.observed >= workload.generation
    moved = status.updated >= status.updating and status.total <= max(status.wanted, status.updated)
    return seen and (moved or workload.on_delete) and status.available >= status.wanted


def _made_for(record: Rollout, pods: Sequence[Pod]) -> Sequence[Pod]:
    if not record.generation:
        return pods
    return [pod for pod in pods if pod.restarted_for == record.digest]


def _progress(workload: Workload, old: Sequence[Pod], pods: Sequence[Pod]) -> str:
    status = workload.status
    said = f"{status.updated} of {status.wanted} pods updated, {status.available} available"
    if old:
        said += f", {len(old)} older than the change"
    waiting = next((f"; {pod.name}: {pod.waiting}" for pod in pods if pod.waiting), "")
    return said + waiting
