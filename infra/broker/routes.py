"""Triggers joined with the subscribers that they name: where a delivery goes, and in whose name replies come back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from events.cloudevent import CloudEvent
from infra.broker.errors import TriggerError
from infra.broker.filters import Predicate
from infra.broker.principal import Principal
from infra.broker.subscriber import Answer, Subscriber
from infra.broker.trigger import DeliverySpec, Destination, Trigger

_SINK = "/dead-letter"  # no Trigger's name holds a slash
_TYPE_ALONE = frozenset({"type"})
_MOST_TYPES = 1024  # whose routes are remembered: foreign types are without number


@dataclass(frozen=True, slots=True)
class Route:
    """One way out of the broker. A route with `sink_of` takes the dead letters of that other route."""

    name: str
    subscriber: Subscriber
    destination: str
    actor: Principal
    delivery: DeliverySpec
    ordered: bool = True
    sink: str | None = None
    sink_of: str | None = None

    def ready(self) -> bool:
        """Whether its subscriber is; one that cannot tell is not."""
        try:
            return self.subscriber.ready()
        except Exception:  # noqa: BLE001 - whatever its probe meets, a worker must not die of it
            return False


class Routes:
    """The routes of all Triggers. Immutable: a new configuration is a new object."""

    def __init__(self, triggers: Iterable[Trigger], subscribers: Mapping[str, Subscriber]) -> None:
        """Raises TriggerError for a subscriber or sink that is not among `subscribers` (by Service name or uri)."""
        self.by_name: dict[str, Route] = {}
        self._matching: list[tuple[str, Predicate]] = []
        self._asked: frozenset[str] = frozenset()
        self._of_type: dict[str, tuple[str, ...]] = {}
        for trigger in triggers:
            self._add(trigger, subscribers)

    def matching(self, event: CloudEvent) -> tuple[str, ...]:
        """Names of the routes that want this event."""
        known = self._of_type.get(event.type)
        if known is not None:
            return known
        attributes = event.attributes()
        found = tuple(name for name, matches in self._matching if matches(attributes))
        if self._asked <= _TYPE_ALONE and len(self._of_type) < _MOST_TYPES:
            self._of_type[event.type] = found
        return found

    def _add(self, trigger: Trigger, subscribers: Mapping[str, Subscriber]) -> None:
        if trigger.name in self.by_name:
            raise TriggerError(f"Trigger {trigger.name}: metadata.name is used twice; names are unique per broker")
        sink = None
        if trigger.dead_letter_sink is not None:
            sink = trigger.name + _SINK
            self.by_name[sink] = Route(
                name=sink,
                subscriber=_find(trigger.dead_letter_sink, subscribers, trigger, "spec.delivery.deadLetterSink"),
                destination=str(trigger.dead_letter_sink),
                actor=Principal("subscriber", sink),
                delivery=DeliverySpec(),
                sink_of=trigger.name,
            )
        self.by_name[trigger.name] = Route(
            name=trigger.name,
            subscriber=_find(trigger.subscriber, subscribers, trigger, "spec.subscriber"),
            destination=str(trigger.subscriber),
            actor=Principal("step", trigger.subscriber.name) if trigger.subscriber.name
            else Principal("subscriber", trigger.name),
            delivery=trigger.delivery,
            ordered=trigger.ordered,
            sink=sink,
        )  # fmt: skip
        self._matching.append((trigger.name, trigger.matches))
        self._asked |= trigger.asks


class _Gone:
    """Answers for a Trigger that is no longer configured."""

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        return Answer(410, reason="its Trigger is no longer configured")

    def ready(self) -> bool:
        return True


def abandoned(name: str, by: Principal) -> Route:
    """A route that makes a dead letter of everything, in the name of whoever asked for it."""
    return Route(name=name, subscriber=_Gone(), destination=f"trigger:{name}", actor=by, delivery=DeliverySpec(retry=0))


def _find(destination: Destination, known: Mapping[str, Subscriber], trigger: Trigger, field: str) -> Subscriber:
    subscriber = known.get(destination.key)
    if subscriber is None:
        raise TriggerError(
            f"Trigger {trigger.name}: {field} names {destination}, which is not served here; "
            f"known are {', '.join(sorted(known)) or 'none'}"
        )
    return subscriber
