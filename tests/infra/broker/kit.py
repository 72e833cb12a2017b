"""What the broker's tests share: events, Triggers, subscribers that do as they are told, a broker that is closed."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from events.cloudevent import CloudEvent
from infra.broker.admission import Admission, Rule
from infra.broker.broker import Broker
from infra.broker.principal import Principal
from infra.broker.subscriber import Answer, Subscriber
from infra.broker.trigger import Trigger, parse_trigger

SOURCE = Principal("source", "test")
OPERATOR = Principal("operator", "1000")
ANYTHING = Admission(rules=(Rule("source:*", "*"), Rule("step:*", "*"), Rule("operator:*", "*")))
DONE = Answer(202)
DEADLINE = 20.0  # seconds that no test should need

Behaviour = Callable[[CloudEvent], Answer]


def event(number: int | str, type_: str = "t.one", subject: str | None = "s/1", **extensions: str) -> CloudEvent:
    return CloudEvent(
        id=str(number), source="/test", type=type_, subject=subject, datacontenttype="application/json",
        extensions=MappingProxyType(extensions), data=b'{"n":1}',
    )  # fmt: skip


def document(name: str = "first", subscriber: str = "sub", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name, "namespace": "lockstep"},
        "spec": {
            "broker": "default",
            "subscriber": {"ref": {"apiVersion": "v1", "kind": "Service", "name": subscriber}},
            **spec,
        },
    }


def trigger(name: str = "first", subscriber: str = "sub", type_: str | None = None, **spec: Any) -> Trigger:
    if type_ is not None:
        spec["filters"] = [{"exact": {"type": type_}}]
    spec.setdefault("delivery", {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT0.001S"})
    return parse_trigger(document(name, subscriber, **spec))


class Scripted:
    """A subscriber that answers what `behaviour` says, and remembers what came, in order."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour: Behaviour = behaviour or (lambda _: DONE)
        self.seen: list[CloudEvent] = []
        self.is_ready = True
        self.probes = 0

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.seen]

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        self.seen.append(event)
        return self.behaviour(event)

    def ready(self) -> bool:
        self.probes += 1
        return self.is_ready


def failing(times: int, answer: Answer, then: Answer = DONE) -> Behaviour:
    """Fail so many times per event, then succeed."""
    counts: dict[str, int] = {}

    def behave(event: CloudEvent) -> Answer:
        counts[event.id] = counts.get(event.id, 0) + 1
        return answer if counts[event.id] <= times else then

    return behave


@contextmanager
def running(
    path: Path,
    subscribers: Mapping[str, Subscriber],
    triggers: list[Trigger] | None = None,
    admission: Admission = ANYTHING,
    **options: Any,
) -> Iterator[Broker]:
    """A started broker on `path`/broker.db, drained at the end."""
    options.setdefault("backoff_cap", 0.02)
    broker = Broker(path / "broker.db", triggers or [trigger()], subscribers, admission, **options)
    broker.start()
    try:
        yield broker
    finally:
        broker.drain(DEADLINE)


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, or fail after DEADLINE."""
    end = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, "the condition did not come to hold"
        pause.wait(0.002)


def outcomes(broker: Broker, sequence: int) -> list[str]:
    """Outcomes of all that happened to an event, in order, without its acceptance."""
    trace = broker.timeline.trace(sequence)
    assert trace is not None
    return [line.outcome for line in trace.lines[1:]]
