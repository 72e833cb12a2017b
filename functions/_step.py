"""The declaration that everything else is rendered from (DESIGN, principle 4)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from events.event import Event
from functions._capability import Capability
from functions._ports import Ports


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a secret's life.

    Routing, Triggers, policies, who may send which event, and the documentation all come from this. `each` are events
    that tell what stands in no store any more (what a manifest named before): a newer one about the same thing takes
    the place of none of them while they are retried. `proves` are events whose arrival the step takes as proof that
    they were accepted: none of these is delivered before it is durable.
    """

    name: str
    does: str
    consumes: tuple[type[Event], ...]
    emits: tuple[type[Event], ...]
    needs: frozenset[Capability]
    handle: "Handler"
    each: tuple[type[Event], ...] = ()
    proves: tuple[type[Event], ...] = ()


# Each step narrows the event to what it consumes; the host never hands it anything else.
Handler = Callable[[Any, Ports], Iterator[Event]]
