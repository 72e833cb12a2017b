"""Typed events in and out of CloudEvents: ids, causes, order, hops (DESIGN, "State identity")."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from pydantic import ValidationError

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.event import Category, Event
from events.identity import fact_id, order_id
from events.media_type import parse_media_type
from events.problems import describe
from events.told import recall, remember

MAX_HOPS = 32  # our own count, beside the broker's TTL: a subscriber that posts instead of replying resets that
MAX_ID = 256  # characters of what we carry on from event to event

_CARRIED = re.compile(rf"[\x21-\x7e]{{1,{MAX_ID}}}")
_HOPS = re.compile(r"[0-9]{1,4}")
# W3C Trace Context, 3.2.2: version ff and identifiers of zeros only are invalid.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Received:
    """A typed event with the context a host needs to answer it."""

    event: Event
    id: str
    source: str
    correlation: str
    hops: int
    traceparent: str | None = None
    began: datetime | None = None  # when the first event of the correlation was issued


def read(wire: CloudEvent, expected: tuple[type[Event], ...] = ()) -> Received:
    """The typed event of a CloudEvent, a foreign one included that says one of ours (events.foreign).

    It is looked for among `expected` first: whoever takes few types need not load the catalogue of them all.

    Raises EventError: unknown type, bad data, wrong subject, too many hops.
    """
    model = next((one for one in expected if wire.type == one.TYPE), None)
    if model is None:
        wire, model = _of_any_type(wire)
    if model is None:
        raise EventError("type is not in the catalogue; `lockstep steps` lists what is consumed")
    event = _data(model, wire)
    if wire.subject is not None and wire.subject != event.about.subject:
        raise EventError(f"subject of {wire.type} does not name what its data is about")
    identity = _carried("id", wire.id)
    return Received(
        event=event, id=identity, source=wire.source,
        correlation=_carried("correlationid", wire.extension("correlationid") or identity),
        hops=_hops(wire.extension("lockstephops")), traceparent=_traceparent(wire.extension("traceparent")),
        began=_time(wire.extension("lockstepbegan")),
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
        about = f"{event.TYPE} {subject}"
        identity = order_id(cause.id if cause else now.isoformat(), step or source, about, ordinal)
    else:
        identity = fact_id(event.TYPE, subject, event.state, event.result)
    chain = None if cause is not None and event.WAKES and cause.event.about.subject != subject else cause
    hops = chain.hops + 1 if chain else 0
    if hops > MAX_HOPS:
        raise EventError(f"{event.TYPE} would be more than {MAX_HOPS} hops from its first cause: a loop")
    extensions = {
        "correlationid": chain.correlation if chain else identity,
        "partitionkey": subject,
        "lockstephops": str(hops),
        "lockstepbegan": _rfc3339((chain.began if chain else None) or now),
    }
    if cause:
        extensions["causationid"] = cause.id
        if chain and chain.traceparent:
            extensions["traceparent"] = chain.traceparent
    data = event.model_dump_json(exclude_defaults=False).encode()
    remember(event, data)
    return CloudEvent(
        id=identity, source=source, type=event.TYPE, subject=subject,
        time=_rfc3339(now),
        datacontenttype="application/json", dataschema=schema_urn(type(event), event.SCHEMA_VERSION),
        extensions=MappingProxyType(extensions),
        data=data,
    )  # fmt: skip


def schema_urn(model: type[Event], version: int) -> str:
    """The `dataschema` of one version of an event type."""
    return f"urn:lockstep:event:{model.TYPE.removeprefix('dev.lockstep.')}:{version}"


def _of_any_type(wire: CloudEvent) -> tuple[CloudEvent, type[Event] | None]:
    from events.catalogue import BY_TYPE  # here, as `read` says; and foreign events are few
    from events.foreign import translate

    ours = wire if wire.type in BY_TYPE else translate(wire)
    return ours, BY_TYPE.get(ours.type)


def _data(model: type[Event], wire: CloudEvent) -> Event:
    media = parse_media_type(wire.datacontenttype or "application/json", "datacontenttype")
    if media.essence != "application/json" or not media.utf8:
        raise EventError(f"datacontenttype of {model.TYPE} must be application/json")
    versions = [version for version in (model.SCHEMA_VERSION, model.SCHEMA_VERSION - 1) if version >= 1]
    if wire.dataschema is not None and wire.dataschema not in [schema_urn(model, version) for version in versions]:
        raise EventError(f"dataschema of {model.TYPE} is not {schema_urn(model, versions[0])} or the one before")
    data = wire.data or b"{}"
    if (told := recall(model, data)) is not None:
        return told
    try:
        # Strict: "3" is no number, and a number is no time.
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise EventError(f"data of {model.TYPE}: {describe(error)}") from None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(text: str | None) -> datetime | None:
    """A time that only measures: one that cannot be read measures nothing."""
    try:
        found = datetime.fromisoformat(text) if text else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):  # no time, or one in the calendar's first or last hours
        return None


def _carried(name: str, text: str) -> str:
    if not _CARRIED.fullmatch(text):
        raise EventError(f"{name} must be 1 to {MAX_ID} printable ASCII characters without spaces")
    return text


def _hops(text: str | None) -> int:
    if text is None:
        return 0
    if not _HOPS.fullmatch(text) or int(text) > MAX_HOPS:
        raise EventError(f"lockstephops must be a number from 0 to {MAX_HOPS}; a larger one is a loop")
    return int(text)


def _traceparent(text: str | None) -> str | None:
    """A valid trace context; an invalid one is dropped, as its specification asks, not refused."""
    return text if text and _TRACEPARENT.fullmatch(text) else None
