"""A step of its own process hears of a manifest from somebody else's watch, perhaps before its own tells of it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from events.event import Event
from events.wiring import WiringChanged
from functions._failures import Retry
from functions._ports import Ports
from functions._step import Step
from infra.wiring.index import Index

PATIENCE = 2.0  # seconds; two watches of one API server are milliseconds apart
_LOOK = 0.02  # seconds between looks


class Snapshots(Protocol):
    """What is asked of the wiring."""

    def snapshot(self) -> Index: ...


def caught_up(step: Step, wiring: Snapshots, monotonic: Callable[[], float] = time.monotonic) -> Step:
    """The step, which handles a change of the wiring once its own wiring shows it.

    A manifest that is told of as added and not known here is waited for, and then tried again: without it the step
    would find nothing to do, and only the sweep would. One that is known in another generation may be newer than what
    was told as well as older, so after a while it is handled as it is.
    """

    def handle(event: Any, ports: Ports) -> Iterator[Event]:
        if isinstance(event, WiringChanged):
            _wait(event, wiring, monotonic)
        yield from step.handle(event, ports)

    return replace(step, handle=handle)


def _wait(event: WiringChanged, wiring: Snapshots, monotonic: Callable[[], float]) -> None:
    deadline = monotonic() + PATIENCE
    while not _shows(event, wiring.snapshot()):
        if monotonic() >= deadline:
            if event.change == "added" and event.manifest not in wiring.snapshot().generations():
                raise Retry(f"{event.manifest} is not known here yet; looking again", 1.0)
            return
        time.sleep(_LOOK)


def _shows(event: WiringChanged, index: Index) -> bool:
    known = index.generations().get(event.manifest)
    if event.change == "removed":
        return known is None
    # A generation is followed by the serial number of what was told, and a mark where the manifest may not act.
    return known is not None and event.generation.startswith(known)
