"""An event on its way in: what the broker adds, overwrites and takes off before it is stored.

The sender decides none of `partitionkey` (from the subject), `lockstepactor` (the principal), `knativearrivaltime`.
"""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from types import MappingProxyType

from events.cloudevent import MAX_EVENT_BYTES, CloudEvent
from infra.broker.clock import rfc3339
from infra.broker.errors import RefusedError
from infra.broker.ledger import Subject
from infra.broker.principal import Principal

TTL = "knativebrokerttl"
ARRIVAL = "knativearrivaltime"
ACTOR = "lockstepactor"
DEFAULT_TTL = 255

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_RANDOM = random.Random()  # noqa: S311 - trace ids are no secrets, and a system call per event costs more than all else
_ERRORS = ("knativeerrordest", "knativeerrorcode", "knativeerrordata")


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event as it is stored and delivered, with what is stored beside it. `extensions` is their JSON."""

    event: CloudEvent
    principal: Principal
    at: int
    ttl: int
    extensions: str
    about: Subject


Incoming = tuple[Stamped, tuple[str, ...]]  # with the routes that it takes
Accepted = tuple[int, Incoming]  # with its sequence number


def stamp(event: CloudEvent, principal: Principal, at: int) -> Stamped:
    """An event that came to the ingress. Raises RefusedError: 400 for its TTL or text, 413 for its size."""
    text = event.extensions.get(TTL)
    if text is None:
        return _stamp(event, principal, at, DEFAULT_TTL, {})
    if not re.fullmatch(r"-?[0-9]{1,10}", text):
        raise RefusedError(400, f"{TTL} must be an integer")
    return _stamp(event, principal, at, min(int(text), DEFAULT_TTL + 1) - 1, {})


def stamp_reply(event: CloudEvent, principal: Principal, at: int, cause: CloudEvent, ttl: int) -> Stamped:
    """A subscriber's reply to `cause`, which came with `ttl`: it goes on with one less, and keeps the trace.

    Raises RefusedError, for a reply whose TTL is used up (a loop) too.
    """
    inherited = {
        "correlationid": cause.extensions.get("correlationid") or cause.id,
        "causationid": cause.id,
        "traceparent": cause.extensions.get("traceparent", ""),
    }
    return _stamp(event, principal, at, ttl - 1, {k: v for k, v in inherited.items() if v})


def _stamp(event: CloudEvent, principal: Principal, at: int, ttl: int, inherited: dict[str, str]) -> Stamped:
    if ttl <= 0:
        raise RefusedError(400, f"{TTL} is used up: the event went round in a loop")
    extensions = {**inherited, **event.extensions}
    extensions.pop(TTL, None)
    extensions["partitionkey"] = event.subject or event.id
    extensions[ACTOR] = str(principal)
    extensions[ARRIVAL] = rfc3339(at)
    if not _TRACEPARENT.fullmatch(extensions.get("traceparent", "")):
        extensions["traceparent"] = _new_trace()
    stamped = CloudEvent(
        id=event.id, source=event.source, type=event.type, subject=event.subject, time=event.time,
        datacontenttype=event.datacontenttype, dataschema=event.dataschema,
        extensions=MappingProxyType(extensions), data=event.data,
    )  # fmt: skip
    return Stamped(
        event=stamped, principal=principal, at=at, ttl=ttl,
        extensions=json.dumps(extensions, separators=(",", ":")),
        about=about(stamped),
    )  # fmt: skip


def _new_trace() -> str:
    bits = _RANDOM.getrandbits(192) | 1 << 191 | 1  # neither id may be zero
    text = f"{bits:048x}"
    return f"00-{text[:32]}-{text[32:]}-00"


def about(event: CloudEvent) -> Subject:
    """What the ledger says of an event. Raises RefusedError as `digest` does."""
    return Subject(
        id=event.id, source=event.source, type=event.type, subject=event.subject,
        correlation=event.extensions.get("correlationid") or event.id,
        causation=event.extensions.get("causationid"),
        digest=digest(event),
    )  # fmt: skip


def digest(event: CloudEvent) -> bytes:
    """SHA-256 of the canonical attributes (JSON, sorted names) and the data.

    Raises RefusedError: too large, or text that is not Unicode.
    """
    data = event.data or b""
    try:
        attributes = json.dumps(event.attributes(), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RefusedError(400, "an attribute holds text that is not Unicode") from None
    if len(attributes) + len(data) > MAX_EVENT_BYTES:
        raise RefusedError(
            413, f"the event is larger than {MAX_EVENT_BYTES // 1024} KiB; send a reference, not the data"
        )
    hasher = hashlib.sha256(attributes)
    hasher.update(b"\n")
    hasher.update(data)
    return hasher.digest()


def with_error(event: CloudEvent, destination: str, code: int, data: str) -> CloudEvent:
    """The event as a dead-letter sink gets it. `data` is base64 already."""
    return event.with_extensions(**dict(zip(_ERRORS, (destination, str(code), data or None), strict=True)))
