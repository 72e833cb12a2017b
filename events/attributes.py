"""Context attributes, checked as CloudEvents 1.0 asks, whichever way they travelled.

The SDK alone is too lax for an ingress: it invents a missing id, specversion or time (which breaks deduplication),
replaces invalid UTF-8, and takes plain JSON for an event. So nothing is built that has not passed here.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from events.cloudevent import MAX_EVENT_BYTES, CloudEvent
from events.errors import EventError
from events.media_type import parse_media_type
from events.strict_json import parse

SPECVERSION = "1.0"
_REQUIRED = ("specversion", "id", "source", "type")
CORE = frozenset((*_REQUIRED, "subject", "time", "datacontenttype", "dataschema"))

_NAME = re.compile(r"[a-z0-9]+")
# What the type system's String excludes: control characters, surrogates, and Unicode's noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPED = "%[0-9A-Fa-f]{2}"
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;=:@"
_QUERY = f"(?:[{_PLAIN}/?]|{_ESCAPED})*"
_URI_REFERENCE = re.compile(
    rf"(?://(?:[{_PLAIN}]|{_ESCAPED}|\[[0-9A-Za-z.:]+\])*(?![^/?#]))?"  # authority
    rf"(?:[{_PLAIN}/]|{_ESCAPED})*(?:\?{_QUERY})?(?:#{_QUERY})?"
)


def build(attributes: Mapping[str, str], data: bytes | None) -> CloudEvent:
    """A CloudEvent of these attributes. Raises EventError for whatever CloudEvents 1.0 does not allow.

    Empty data is no data: the binary mode cannot tell them apart, so nothing here does.
    """
    _check_names_and_characters(attributes)
    for name in _REQUIRED:
        if not attributes.get(name, "").strip():
            raise EventError(f"attribute {name} is missing or blank")
    if attributes["specversion"] != SPECVERSION:
        raise EventError(f"specversion must be {SPECVERSION}")
    if attributes.get("subject") == "":
        raise EventError("attribute subject is present but empty; leave it out")
    _check_uri("source", attributes["source"])
    if "dataschema" in attributes:
        _check_uri("dataschema", attributes["dataschema"], absolute=True)
    _check_data(attributes.get("datacontenttype"), data or b"")
    _check_size(attributes, data or b"")
    return CloudEvent(
        id=attributes["id"], source=attributes["source"], type=attributes["type"],
        subject=attributes.get("subject"), time=_time(attributes.get("time")),
        datacontenttype=attributes.get("datacontenttype"), dataschema=attributes.get("dataschema"),
        extensions=MappingProxyType({k: v for k, v in attributes.items() if k not in CORE}),
        data=data or None,
    )  # fmt: skip


def _check_names_and_characters(attributes: Mapping[str, str]) -> None:
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise EventError("attribute names are lowercase letters and digits")
        if name == "data":
            raise EventError("no attribute may be named data")
        if not (value.isascii() and value.isprintable()) and _FORBIDDEN.search(value):
            raise EventError(f"attribute {name[:40]} holds a control character or another that no text may hold")


def _check_uri(name: str, value: str, *, absolute: bool = False) -> None:
    scheme = _SCHEME.match(value)
    rest = value[scheme.end() :] if scheme else value
    if absolute and not scheme:
        raise EventError(f"attribute {name} must be an absolute URI (RFC 3986)")
    # Without a scheme a colon in the first segment would read as one (RFC 3986, 4.2).
    if not _URI_REFERENCE.fullmatch(rest) or (not scheme and ":" in re.split("[/?#]", rest, maxsplit=1)[0]):
        raise EventError(f"attribute {name} is not a URI reference (RFC 3986); percent-encode what it does not allow")


def _time(value: str | None) -> str | None:
    """RFC 3339 in capital letters. A leap second is refused, as no reader's clock can hold it."""
    if value is None:
        return None
    if not _TIME.fullmatch(value) or not _exists(value[:19]):
        raise EventError("attribute time is not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z")
    return value.upper()


def _exists(date_and_time: str) -> bool:
    try:
        datetime.fromisoformat(date_and_time).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _check_data(datacontenttype: str | None, data: bytes) -> None:
    if datacontenttype is None:
        return
    media = parse_media_type(datacontenttype, "datacontenttype")
    if media.json and data:
        if not media.utf8:
            raise EventError("datacontenttype: JSON must be UTF-8")
        parse(data)


def _check_size(attributes: Mapping[str, str], data: bytes) -> None:
    size = len(data) + sum(len(name) + len(value.encode()) for name, value in attributes.items())
    if size > MAX_EVENT_BYTES:
        raise EventError(f"the event is larger than {MAX_EVENT_BYTES} bytes (attributes and data)")
