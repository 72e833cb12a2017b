"""Time for steps that own no timers: `schedule.ticked` for sweeps and anchors."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from events.schedule import ScheduleRef, ScheduleTicked


@dataclass(frozen=True, slots=True)
class Schedule:
    """A named schedule: every shard ticks once per `interval` seconds, evenly spread; how many may change."""

    name: str
    interval: float
    shards: Callable[[], int] = lambda: 1


class Ticker:
    """One thread per schedule. A tick that cannot be accepted is given up: the next one covers it."""

    def __init__(
        self,
        schedule: Schedule,
        emit: Callable[[ScheduleTicked], None],
        now: Callable[[], datetime],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._schedule = schedule
        self._emit = emit
        self._now = now
        self._wanted = wanted
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{schedule.name}", daemon=True)
        self._next = 0
        self._turn = threading.Lock()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop ticking; returns when no tick is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def round(self) -> None:
        """Tick every shard once, now."""
        for _ in range(self._schedule.shards()):
            self.tick()

    def tick(self) -> None:
        """Tick the next shard now."""
        shards = self._schedule.shards()
        with self._turn:
            shard = self._next % shards
            self._next = shard + 1
        self._emit(
            ScheduleTicked(
                schedule=ScheduleRef(name=self._schedule.name),
                at=self._now(),
                shard=shard,
                shards=shards,
            )
        )

    def _run(self) -> None:
        # waits on the machine's monotonic clock, so a wall clock set back neither stops nor floods the sweeps
        while not self._stopping.wait(self._schedule.interval / self._schedule.shards()):
            if self._wanted():
                self.tick()
