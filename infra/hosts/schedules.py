"""Time for steps that own no timers: `schedule.ticked` for sweeps and anchors."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from events.schedule import ScheduleRef, ScheduleTicked

_log = logging.getLogger("lockstep.schedule")
# Of a sweep: each shard reads the whole wiring to find its part, so many small ones cost more than a few large ones.
MANIFESTS_PER_SHARD = 1000


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
        if self._thread.ident is not None:
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
        while not self._stopping.wait(self._pause()):
            try:
                if self._wanted():
                    self.tick()
            except Exception as failure:  # noqa: BLE001  a schedule outlives whatever one tick runs into
                _log.warning("a tick of %s failed with %s", self._schedule.name, type(failure).__name__)

    def _pause(self) -> float:
        try:
            return self._schedule.interval / max(1, self._schedule.shards())
        except Exception as failure:  # noqa: BLE001  as above: without knowing the shards, one tick covers all
            _log.warning("the shards of %s are not known (%s)", self._schedule.name, type(failure).__name__)
            return self._schedule.interval
