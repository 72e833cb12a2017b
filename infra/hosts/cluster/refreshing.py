"""`refreshTime` of ExternalSecrets that are in step: moved by the sweep, as seldom as their refreshInterval says.

The External Secrets Operator asks the store again after each interval and says when it did. Here changes are followed,
and the sweep is what looks again: whoever watches `refreshTime` for staleness sees that it goes on.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from events.event import Event
from events.orders import MaterializeRequested
from events.schedule import ScheduleTicked
from functions._ports import Ports
from functions._shards import SWEEP, in_shard
from functions._step import Step
from infra.hosts.cluster.status import StatusWriter


def refreshing(step: Step, status: StatusWriter) -> Step:
    """The step, which tells the status writer of what a sweep found in step; other steps are as they were."""
    if step.name != SWEEP:
        return step

    def handle(event: Any, ports: Ports) -> Iterator[Event]:
        ordered = set()
        for said in step.handle(event, ports):
            if isinstance(said, MaterializeRequested):
                ordered.add(said.consumer)
            yield said
        if isinstance(event, ScheduleTicked) and event.schedule.name == SWEEP:
            for consumer in ports.wiring.external_secrets():
                if in_shard(consumer.target, event) and consumer.ref not in ordered:
                    status.refreshed(consumer)

    return replace(step, handle=handle)
