"""Typed events in and out of CloudEvents: ids, causes, order, hops (DESIGN, "State identity")."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from pydantic import ValidationError

from events.catalogue import BY_TYPE
from events.cloudevent import CloudEvent
from events.errors import EventError
from events.event import Category, Event
from events.identity import fact_id, order_id

MAX_HOPS = 32  # our own count, beside the broker's TTL: a subscriber that posts instead of replying resets that


@dataclass(frozen=True, slots=True)
class Received:
    """A typed event with the context a host needs to answer it."""

    event: Event
    id: str
    source: str
    correlation: str
    hops: int
    traceparent: str | None = None


def read(wire: CloudEvent) -> Received:
    """The typed event of a CloudEvent. Raises EventError: unknown type, bad data, wrong subject, too many hops."""
    model = BY_TYPE.get(wire.type)
    if model is None:
        raise EventError(f"type {wire.type[:80]!r} is not in the catalogue; `lockstep steps` lists what is consumed")
    if wire.datacontenttype not in (None, "application/json"):
        raise EventError(f"datacontenttype of {wire.type} must be application/json")
    accepted = {None, *(_schema(model, v) for v in (model.SCHEMA_VERSION, model.SCHEMA_VERSION - 1) if v >= 1)}
    if wire.dataschema not in accepted:
        raise EventError(f"dataschema of {wire.type} is not {_schema(model, model.SCHEMA_VERSION)} or the one before")
    try:
        event = model.model_validate_json(wire.data or b"{}")
    except ValidationError as error:
        raise EventError(f"data of {wire.type}: {_first_problem(error)}") from None
    if wire.subject is not None and wire.subject != event.about.subject:
        raise EventError(f"subject of {wire.type} does not name what its data is about")
    return Received(
        event=event, id=wire.id, source=wire.source,
        correlation=wire.extension("correlationid") or wire.id,
        hops=_hops(wire), traceparent=wire.extension("traceparent"),
    )  # fmt: skip


def issue(
    event: Event, *, source: str, now: datetime, cause: Received | None = None, step: str = "", ordinal: int = 0
) -> CloudEvent:
    """The CloudEvent of a typed event, caused by `cause` (None: it begins a correlation).

    Raises EventError when the chain of causes is longer than MAX_HOPS.
    """
    subject = event.about.subject
    if event.CATEGORY is Category.ORDER:
        # An order of the same step for the same cause is the same order, however often the step is retried.
        identity = order_id(cause.id if cause else now.isoformat(), step or source, subject, ordinal)
    else:
        identity = fact_id(event.TYPE, subject, event.state, event.result)
    hops = cause.hops + 1 if cause else 0
    if hops > MAX_HOPS:
        raise EventError(f"more than {MAX_HOPS} hops since {cause.correlation if cause else identity}: a loop")
    extensions = {
        "correlationid": cause.correlation if cause else identity,
        "partitionkey": subject,
        "lockstephops": str(hops),
    }
    if cause:
        extensions["causationid"] = cause.id
        if cause.traceparent:
            extensions["traceparent"] = cause.traceparent
    return CloudEvent(
        id=identity, source=source, type=event.TYPE, subject=subject,
        time=now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        datacontenttype="application/json", dataschema=_schema(type(event), event.SCHEMA_VERSION),
        extensions=MappingProxyType(extensions),
        data=event.model_dump_json(exclude_defaults=False).encode(),
    )  # fmt: skip


def _schema(model: type[Event], version: int) -> str:
    return f"urn:lockstep:event:{model.TYPE.removeprefix('dev.lockstep.')}:{version}"


def _hops(wire: CloudEvent) -> int:
    text = wire.extension("lockstephops") or "0"
    if not text.isdecimal() or not text.isascii() or int(text[:4]) > MAX_HOPS or len(text) > 4:
        raise EventError(f"lockstephops must be a number from 0 to {MAX_HOPS}; a larger one is a loop")
    return int(text)


def _first_problem(error: ValidationError) -> str:
    # Never pydantic's own text: it quotes the input, and what should not hold a secret may hold one.
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])[:80] or "the document"
    return f"{where}: {problem['type']}"
