"""Time, as an event: steps own no timers."""

from typing import Annotated, ClassVar

from pydantic import Field

from events.event import Category, Event
from events.references import Instant, Reference


class ScheduleRef(Reference):
    """A named schedule: `schedules/<name>`."""

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]

    @property
    def subject(self) -> str:
        return f"schedules/{self.name}"


class ShardRef(Reference):
    """One shard of a schedule, `schedules/<name>/<shard>`: a tick of one shard never overtakes another's."""

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
    shard: Annotated[int, Field(ge=0)]

    @property
    def subject(self) -> str:
        return f"schedules/{self.name}/{self.shard}"


class ScheduleTicked(Event):
    """A schedule came due. `shard` of `shards` tells a sweep which part of the wiring to look at."""

    TYPE: ClassVar[str] = "dev.lockstep.schedule.ticked"
    CATEGORY: ClassVar[Category] = Category.HINT

    schedule: ScheduleRef
    at: Instant
    shard: Annotated[int, Field(ge=0)] = 0
    shards: Annotated[int, Field(ge=1, le=4096)] = 1

    @property
    def about(self) -> ShardRef:
        return ShardRef(name=self.schedule.name, shard=self.shard)

    @property
    def state(self) -> str:
        return f"{self.at.isoformat()}/{self.shard}/{self.shards}"
