"""Time: PingSources that tick the sweep's shards and the ledger's anchor."""

import json
from dataclasses import dataclass
from math import ceil

from functions._rollout_records import SCHEDULE as ROLLOUTS
from functions._rotation_records import SCHEDULE as ROTATIONS
from functions._shards import SWEEP
from functions.record import SCHEDULE as ANCHOR
from infra.deploy.manifests.installation import Document
from infra.deploy.manifests.objects import document
from infra.deploy.triggers import BROKER, NAMESPACE

PING = "dev.knative.sources.ping"
SWEEP_MINUTES = 10  # between two looks at one shard
PER_SHARD = 200  # manifests
# Whom a schedule's ticks are for: a step that ignores them need not be woken.
HEARD_BY = {
    SWEEP: ("sweep", "restart"),
    ROLLOUTS: ("restart", "adopted"),
    ROTATIONS: ("create", "apply", "verify", "promote", "revoke"),
    ANCHOR: ("record",),
}
BROKER_REF = {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": BROKER}


@dataclass(frozen=True, slots=True)
class Ticking:
    """One PingSource: its name, the schedule and shard that it ticks, and when (cron)."""

    name: str
    schedule: str
    cron: str
    shard: int = 0
    shards: int = 1


def schedules(manifests: int) -> tuple[Ticking, ...]:
    """The sweep's shards, spread evenly over its interval; what is due and the anchor every minute."""
    shards = max(1, ceil(manifests / PER_SHARD))
    sweeps = (
        Ticking(f"sweep-{shard}", SWEEP, _every(shard * SWEEP_MINUTES // shards), shard, shards)
        for shard in range(shards)
    )
    return (*sweeps, *(Ticking(name, name, "* * * * *") for name in (ROLLOUTS, ROTATIONS, ANCHOR)))


def ping_source(schedule: Ticking) -> str:
    """The `source` of the events that its PingSource sends."""
    return f"/apis/v1/namespaces/{NAMESPACE}/pingsources/{schedule.name}"


def ping_sources(manifests: int) -> list[Document]:
    """One per tick; the event says which shard, and nothing that Knative could not repeat."""
    return [
        document(
            "sources.knative.dev/v1",
            "PingSource",
            schedule.name,
            spec={
                "schedule": schedule.cron,
                "contentType": "application/json",
                "data": json.dumps({"schedule": schedule.schedule, "shard": schedule.shard, "shards": schedule.shards}),
                "sink": {"ref": BROKER_REF},
            },
        )
        for schedule in schedules(manifests)
    ]


def _every(minute: int) -> str:
    return f"{minute}-59/{SWEEP_MINUTES} * * * *"
