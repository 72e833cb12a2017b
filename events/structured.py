"""One event of a JSON document (CloudEvents JSON event format 1.0), read strictly."""

import base64
import binascii
from typing import Any

from events.attributes import CORE, build
from events.cloudevent import CloudEvent
from events.errors import EventError
from events.media_type import parse_media_type
from events.strict_json import compact

_DATA_MEMBERS = frozenset(("data", "data_base64"))


def from_document(document: Any) -> CloudEvent:
    """The event of a parsed JSON object. Raises EventError."""
    if not isinstance(document, dict):
        raise EventError("an event in JSON is an object")
    attributes = {
        name: _canonical(name, value)
        for name, value in document.items()
        if name not in _DATA_MEMBERS and value is not None
    }
    if "data" in document and "datacontenttype" not in attributes:
        attributes["datacontenttype"] = "application/json"  # what the format implies, said for other modes (3.1.2)
    return build(attributes, _data(document, attributes.get("datacontenttype", "")))


def _canonical(name: str, value: Any) -> str:
    """A JSON value as its CloudEvents string (type system: String, Boolean, Integer)."""
    if isinstance(value, str):
        return value
    if name not in CORE:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and -(2**31) <= value < 2**31:
            return str(value)
    raise EventError("an attribute in JSON is a string (extensions: also a boolean or a 32-bit integer)")


def _data(document: dict[str, Any], datacontenttype: str) -> bytes | None:
    encoded = document.get("data_base64")
    if encoded is not None:
        if "data" in document:
            raise EventError("an event has data or data_base64, not both")
        return _from_base64(encoded)
    if "data" not in document:
        return None
    data, media = document["data"], parse_media_type(datacontenttype, "datacontenttype")
    if media.json:
        return compact(data)
    if data is None:
        return None
    if not isinstance(data, str):
        raise EventError("data is a JSON value, but datacontenttype says otherwise")
    if not media.utf8:
        raise EventError("data of a charset other than UTF-8 travels as data_base64")
    return data.encode()


def _from_base64(encoded: Any) -> bytes:
    if not isinstance(encoded, str):
        raise EventError("data_base64 is a string")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise EventError("data_base64 is not base64 (RFC 4648, with padding)") from None
