"""Steps that do what a test says, and events for them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from events.cloudevent import CloudEvent
from events.envelope import issue
from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, PathRef, SecretRef
from events.secret import SecretChanged
from functions._ports import Ports
from functions._step import Step
from tests.fakes.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = SecretRef(namespace="team", name="source")
CANARY = "canary-4711"


def step_of(handle: Callable[[Any, Ports], Iterator[Event]], *emits: type[Event]) -> Step:
    return Step(
        name="tested", does="What a test says.", consumes=(SecretChanged,), emits=emits or (PublishRequested,),
        needs=frozenset(), handle=handle,
    )  # fmt: skip


def saying(*events: Event) -> Step:
    return step_of(lambda event, ports: iter(events), *{type(event) for event in events})


def raising(failure: BaseException, *before: Event) -> Step:
    """Says something, and then fails."""

    def handle(event: Any, ports: Ports) -> Iterator[Event]:
        yield from before
        raise failure

    return step_of(handle)


def order(name: str = "app") -> PublishRequested:
    path = PathRef(mount="secret", path=f"team/{name}")
    return PublishRequested(path=path, expires=NOW + timedelta(minutes=15), reason="test")


def other_order() -> MaterializeRequested:
    consumer = ManifestRef(kind="ExternalSecret", namespace="team", name="app")
    return MaterializeRequested(consumer=consumer, secret=SECRET, expires=NOW, reason="test")


def changed(seen: str = "s1") -> CloudEvent:
    return issue(SecretChanged(secret=SECRET, seen=seen), source="/tests", now=NOW)


def ports() -> Ports:
    return World().ports
