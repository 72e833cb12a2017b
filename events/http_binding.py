"""CloudEvents over HTTP (HTTP protocol binding 1.0): binary, structured and batched mode, strictly.

Header names and values are text as the protocol carries it (one character per byte, latin-1).
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from events.attributes import build
from events.cloudevent import MAX_EVENT_BYTES, MAX_NESTING, CloudEvent
from events.errors import EventError
from events.media_type import MediaType, parse_media_type
from events.strict_json import parse
from events.structured import from_document

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_BODY_BYTES = 6 * MAX_EVENT_BYTES  # no JSON escape makes a byte longer than \u0000
MAX_BATCH_EVENTS = 5000  # Event Grid's own limit

Headers = Iterable[tuple[str, str]]

_SUPPORTED = f"supported are {STRUCTURED}, and binary mode with ce- headers"
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def decode(headers: Headers, body: bytes) -> CloudEvent:
    """The one event of a message in binary or structured mode. Raises EventError, for a batch too."""
    fields = _fields(headers)
    media = _envelope(fields)
    if media is None:
        return build(_binary_attributes(fields), body)
    if media.essence != STRUCTURED:
        raise EventError(f"one event is expected; {_SUPPORTED}")
    return from_document(_document(media, body, MAX_NESTING + 1))


def decode_batch(headers: Headers, body: bytes) -> tuple[CloudEvent, ...]:
    """The events of a batch, in order; there may be none. Raises EventError."""
    media = _envelope(_fields(headers))
    if media is None or media.essence != BATCH:
        raise EventError(f"a batch is sent as {BATCH}")
    return _events(_document(media, body, MAX_NESTING + 2))


def decode_any(headers: Headers, body: bytes) -> tuple[CloudEvent, ...]:
    """The events of a message in whichever mode (Event Grid sends arrays as structured mode). Raises EventError."""
    fields = _fields(headers)
    media = _envelope(fields)
    if media is None:
        return (build(_binary_attributes(fields), body),)
    if media.essence not in (STRUCTURED, BATCH):
        raise EventError(f"{_SUPPORTED}, and {BATCH}")
    document = _document(media, body, MAX_NESTING + 2)
    if isinstance(document, list):
        return _events(document)
    if media.essence == BATCH:
        raise EventError("a batch is a JSON array of events")
    return (from_document(document),)


def encode_binary(event: CloudEvent) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body in binary mode. Raises EventError for an event that no reader would accept."""
    attributes = event.attributes()
    build(attributes, event.data)
    headers = []
    content = attributes.pop("datacontenttype", None)
    if content is not None:
        if content.lower().startswith("application/cloudevents"):
            raise EventError("data that is itself an event travels in structured mode only")
        headers.append(("content-type", content))
    headers += [(f"ce-{name}", quote(value, safe=_SAFE)) for name, value in attributes.items()]
    return headers, event.data or b""


def encode_structured(event: CloudEvent) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body in structured mode (JSON). Raises EventError as `encode_binary`."""
    from events.sdk import write_json  # here: steps speak binary mode, also where an older SDK is installed

    build(event.attributes(), event.data)
    return [("content-type", STRUCTURED)], write_json(event)


def encode_batch(events: Iterable[CloudEvent]) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a batch (JSON). Raises EventError as `encode_binary`."""
    from events.sdk import write_json  # as above

    documents = []
    for event in events:
        build(event.attributes(), event.data)
        documents.append(write_json(event))
    return [("content-type", BATCH)], b"[" + b",".join(documents) + b"]"


def _fields(headers: Headers) -> dict[str, str]:
    """The fields that matter, by lowercase name. Raises EventError for one sent twice."""
    fields: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type" or lower.startswith("ce-"):
            if lower in fields:
                raise EventError("a header of the event is sent twice")
            fields[lower] = value.strip(" \t")
    return fields


def _envelope(fields: dict[str, str]) -> MediaType | None:
    """The media type of a structured or batched message; None for binary mode."""
    content = fields.get("content-type", "")
    if not content.lower().startswith("application/cloudevents"):
        return None
    media = parse_media_type(content, "Content-Type")
    if not media.utf8:
        raise EventError("an event in JSON is UTF-8; charset says otherwise")
    return media


def _binary_attributes(fields: dict[str, str]) -> dict[str, str]:
    if "ce-specversion" not in fields:
        raise EventError(f"not a CloudEvent: no ce-specversion header and no event media type; {_SUPPORTED}")
    if "ce-datacontenttype" in fields:
        raise EventError("in binary mode datacontenttype travels as Content-Type")
    attributes = {name[3:]: _unescape(value) for name, value in fields.items() if name != "content-type"}
    if "content-type" in fields:
        attributes["datacontenttype"] = fields["content-type"]
    return attributes


def _unescape(value: str) -> str:
    """A header's attribute value: quoted strings undone, then percent-encoding once (HTTP binding, 3.1.3.2)."""
    if not value.isascii():
        raise EventError("a ce- header is not ASCII; percent-encode its UTF-8")
    if '"' in value:
        quoted = _QUOTED.fullmatch(value)
        if not quoted:
            raise EventError("a ce- header has a stray double quote; percent-encode it as %22")
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    if "%" not in value:
        return value
    if _BAD_ESCAPE.search(value):
        raise EventError("a ce- header has a percent sign that escapes nothing; percent-encode it as %25")
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise EventError("a ce- header is not UTF-8 once its percent-encoding is undone") from None


def _document(media: MediaType, body: bytes, nesting: int) -> object:
    if media.essence not in (STRUCTURED, BATCH):
        raise EventError(_SUPPORTED)
    if len(body) > MAX_BODY_BYTES:
        raise EventError(f"the body is larger than {MAX_BODY_BYTES} bytes")
    return parse(body, nesting=nesting)


def _events(document: object) -> tuple[CloudEvent, ...]:
    if not isinstance(document, list):
        raise EventError("a batch is a JSON array of events")
    if len(document) > MAX_BATCH_EVENTS:
        raise EventError(f"a batch holds at most {MAX_BATCH_EVENTS} events")
    return tuple(from_document(item) for item in document)
