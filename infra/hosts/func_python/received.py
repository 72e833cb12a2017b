"""The body that func-python's middleware of `invoke: cloudevent` has consumed, from the SDK's event.

The SDK reads more than the specification allows: JSON without an event's media type, any header of an event as a sign
of binary mode, an event without an id, which it makes up. So its event gives back the body alone, and the request's own
headers say what it is; only what the body of a structured event lacked (`id`, `specversion`, `time`) cannot be told any
more. `invoke: http` has no such gap.
"""

import base64
import json
from datetime import datetime
from typing import Any, Protocol

from events.errors import EventError
from infra.hosts.asgi import Scope


class SdkEvent(Protocol):
    """What is asked of the SDK's event (cloudevents.core)."""

    def get_attributes(self) -> dict[str, Any]: ...

    def get_data(self) -> Any: ...


def body_of(scope: Scope) -> bytes:
    """A body that says the same as the one that was sent. Raises EventError where there is none in JSON."""
    event: SdkEvent = scope["event"]
    if any(name.lower().startswith(b"ce-") for name, _ in scope["headers"]):  # what the SDK takes for binary mode
        return _bytes(event.get_data())
    return _json(_document(event))


def _bytes(data: Any) -> bytes:
    if data is None:
        return b""
    if isinstance(data, bytes):
        return data
    # Half a surrogate pair, which JSON can spell, is passed on for the decoder to refuse.
    return data.encode(errors="surrogatepass") if isinstance(data, str) else _json(data)


def _document(event: SdkEvent) -> dict[str, Any]:
    document = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.get_attributes().items()
    }
    data = event.get_data()
    if isinstance(data, bytes):
        return {**document, "data_base64": base64.b64encode(data).decode()}
    return document if data is None else {**document, "data": data}


def _json(value: Any) -> bytes:
    """Compact JSON. Raises EventError for what JSON cannot say, and Python's reader took all the same."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError):  # includes UnicodeEncodeError: half a surrogate pair
        raise EventError("the event is not valid JSON") from None
