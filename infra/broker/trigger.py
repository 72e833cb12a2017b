"""Knative `Trigger` and `Broker` documents as the broker's configuration (eventing.knative.dev/v1).

A Trigger's `delivery` replaces its Broker's as a whole; only the dead-letter sink falls back by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from infra.broker.durations import parse_duration
from infra.broker.errors import TriggerError
from infra.broker.filters import ANY_ATTRIBUTE, Predicate, attributes_asked, compile_filters

API_VERSION = "eventing.knative.dev/v1"
ORDER_ANNOTATION = "kafka.eventing.knative.dev/delivery.order"
_TRIGGER_FIELDS = frozenset({"broker", "filter", "filters", "subscriber", "delivery"})
_BROKER_FIELDS = frozenset({"config", "delivery"})
_DELIVERY_FIELDS = frozenset({"retry", "backoffPolicy", "backoffDelay", "timeout", "retryAfterMax", "deadLetterSink"})
MAX_RETRY = 100


@dataclass(frozen=True, slots=True)
class Destination:
    """Who gets the event: a Service by name (`ref`), or an address (`uri`). Exactly one of the two is set."""

    name: str = ""
    namespace: str = ""
    uri: str = ""

    @property
    def key(self) -> str:
        """What subscribers are looked up by."""
        return self.name or self.uri

    def __str__(self) -> str:
        return self.uri or f"service:{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class DeliverySpec:
    """How often and how fast a delivery is tried. Times are seconds; attempts = retry + 1."""

    retry: int = 10
    backoff_policy: Literal["linear", "exponential"] = "exponential"
    backoff_delay: float = 0.2
    timeout: float = 30.0
    retry_after_max: float | None = None

    @property
    def attempts(self) -> int:
        return self.retry + 1


@dataclass(frozen=True, slots=True)
class Trigger:
    """A subscription: which events of a broker go where, and how. `asks` are the attributes that `matches` looks at."""

    name: str
    namespace: str
    broker: str
    matches: Predicate
    subscriber: Destination
    delivery: DeliverySpec = DeliverySpec()
    dead_letter_sink: Destination | None = None
    ordered: bool = True
    asks: frozenset[str] = ANY_ATTRIBUTE


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """A Broker document: defaults for its Triggers."""

    name: str
    namespace: str
    delivery: DeliverySpec | None = None
    dead_letter_sink: Destination | None = None


def parse_documents(documents: Iterable[Mapping[str, Any]]) -> tuple[Trigger, ...]:
    """The Triggers of loaded YAML documents, with the defaults of the Brokers among them.

    A Trigger may name a Broker that is not among the documents. Raises TriggerError for the first bad document.
    """
    documents = list(documents)
    brokers: dict[tuple[str, str], BrokerSpec] = {}
    for document in documents:
        if _kind(document) == "Broker":
            spec = parse_broker(document)
            brokers[spec.namespace, spec.name] = spec
    triggers: dict[str, Trigger] = {}
    for document in documents:
        if _kind(document) == "Trigger":
            trigger = parse_trigger(document, brokers)
            if trigger.name in triggers:
                raise TriggerError(f"Trigger {trigger.name}: metadata.name is used twice; names are unique per broker")
            triggers[trigger.name] = trigger
    return tuple(triggers.values())


def parse_broker(document: Mapping[str, Any]) -> BrokerSpec:
    """One Broker document. Raises TriggerError."""
    where, name, namespace = _identity(document, "Broker")
    spec = _mapping(document.get("spec"), f"{where}: spec", _BROKER_FIELDS)
    delivery, sink = _delivery(spec.get("delivery"), where, namespace)
    return BrokerSpec(name=name, namespace=namespace, delivery=delivery, dead_letter_sink=sink)


def parse_trigger(document: Mapping[str, Any], brokers: Mapping[tuple[str, str], BrokerSpec] | None = None) -> Trigger:
    """One Trigger document, completed from its Broker. Raises TriggerError naming the Trigger and the field."""
    where, name, namespace = _identity(document, "Trigger")
    spec = _mapping(document.get("spec"), f"{where}: spec", _TRIGGER_FIELDS)
    broker = spec.get("broker")
    if not isinstance(broker, str) or not broker:
        raise TriggerError(f"{where}: spec.broker is missing; name the Broker, usually 'default'")
    defaults = (brokers or {}).get((namespace, broker)) or BrokerSpec(broker, namespace)
    delivery, sink = _delivery(spec.get("delivery"), where, namespace)
    subscriber = _destination(spec.get("subscriber"), f"{where}: spec.subscriber", namespace)
    if subscriber is None:
        raise TriggerError(f"{where}: spec.subscriber is missing; give 'ref' (a Service) or 'uri'")
    return Trigger(
        name=name, namespace=namespace, broker=broker,
        matches=compile_filters(spec, where),
        subscriber=subscriber,
        delivery=delivery or defaults.delivery or DeliverySpec(),
        dead_letter_sink=sink or defaults.dead_letter_sink,
        ordered=_ordered(document, where),
        asks=attributes_asked(spec),
    )  # fmt: skip


def _kind(document: Mapping[str, Any]) -> str:
    kind = document.get("kind")
    if kind not in ("Trigger", "Broker"):
        raise TriggerError(f"kind {str(kind)[:40]!r} is neither Trigger nor Broker")
    return str(kind)


def _identity(document: Mapping[str, Any], kind: str) -> tuple[str, str, str]:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        raise TriggerError(f"{kind}: metadata.name is missing")
    where = f"{kind} {name}"
    if document.get("apiVersion") != API_VERSION:
        raise TriggerError(f"{where}: apiVersion must be {API_VERSION}")
    namespace = metadata.get("namespace", "default")
    if not isinstance(namespace, str) or not namespace or "/" in name:
        raise TriggerError(f"{where}: metadata.name and metadata.namespace must be Kubernetes names")
    return where, name, namespace


def _ordered(document: Mapping[str, Any], where: str) -> bool:
    annotations = document["metadata"].get("annotations") or {}
    order = annotations.get(ORDER_ANNOTATION, "ordered") if isinstance(annotations, Mapping) else None
    if order not in ("ordered", "unordered"):
        raise TriggerError(f"{where}: annotation {ORDER_ANNOTATION} must be 'ordered' or 'unordered'")
    return bool(order == "ordered")


def _mapping(value: Any, where: str, fields: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TriggerError(f"{where} must be a mapping")
    unknown = sorted(str(name)[:40] for name in set(value) - fields)
    if unknown:
        # A misspelt 'filters' would otherwise be a Trigger that gets everything.
        raise TriggerError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(fields))}")
    return value


def _destination(value: Any, where: str, namespace: str) -> Destination | None:
    if value is None:
        return None
    fields = _mapping(value, where, frozenset({"ref", "uri"}))
    uri, ref = fields.get("uri"), fields.get("ref")
    if (uri is None) == (ref is None):
        raise TriggerError(f"{where}: give either 'ref' or 'uri'")
    if ref is None:
        if not isinstance(uri, str) or not uri.startswith(("http://", "https://")):
            raise TriggerError(f"{where}.uri must be an absolute http or https address")
        return Destination(uri=uri)
    ref = _mapping(ref, f"{where}.ref", frozenset({"apiVersion", "kind", "name", "namespace"}))
    if ref.get("kind") != "Service" or not isinstance(ref.get("name"), str) or not ref["name"]:
        raise TriggerError(f"{where}.ref must be of kind Service, with a name")
    return Destination(name=ref["name"], namespace=str(ref.get("namespace") or namespace))


def _delivery(value: Any, where: str, namespace: str) -> tuple[DeliverySpec | None, Destination | None]:
    """The delivery specification (None if there is none beside a sink) and the dead-letter sink."""
    if value is None:
        return None, None
    where = f"{where}: spec.delivery"
    fields = _mapping(value, where, _DELIVERY_FIELDS)
    sink = _destination(fields.get("deadLetterSink"), f"{where}.deadLetterSink", namespace)
    if not set(fields) - {"deadLetterSink"}:
        return None, sink
    base = DeliverySpec()
    retry = fields.get("retry", base.retry)
    if not isinstance(retry, int) or isinstance(retry, bool) or not 0 <= retry <= MAX_RETRY:
        raise TriggerError(f"{where}.retry must be a number from 0 to {MAX_RETRY}")
    policy = fields.get("backoffPolicy", base.backoff_policy)
    if policy not in ("linear", "exponential"):
        raise TriggerError(f"{where}.backoffPolicy must be 'linear' or 'exponential'")
    return DeliverySpec(
        retry=retry,
        backoff_policy=policy,
        backoff_delay=_seconds(fields, "backoffDelay", where, base.backoff_delay),
        timeout=_seconds(fields, "timeout", where, base.timeout) or base.timeout,
        retry_after_max=_seconds(fields, "retryAfterMax", where, -1.0) if "retryAfterMax" in fields else None,
    ), sink


def _seconds(fields: Mapping[str, Any], name: str, where: str, default: float) -> float:
    value = fields.get(name)
    if value is None:
        return default
    try:
        return parse_duration(value if isinstance(value, str) else str(value))
    except ValueError as error:
        raise TriggerError(f"{where}.{name}: {error}") from None
