"""Our events as the CloudEvents SDK sees them; the SDK writes the JSON format.

Reading is done before anything reaches the SDK (events.attributes says why), and binary mode stays without it: its
bindings import a date parser that costs a step 50 ms of its cold start, and parliament brings an older SDK (below 2).
"""

from datetime import datetime
from typing import Any

from cloudevents.core.base import BaseCloudEvent

from events.cloudevent import CloudEvent
from events.media_type import parse_media_type
from events.strict_json import compact, parse

JsonValue = dict[str, Any] | list[Any] | str | int | float | bool


class SdkEvent(BaseCloudEvent):
    """A CloudEvent behind the SDK's own interface.

    The SDK's event class would do, but it keeps `time` as a datetime: an event that passes through would lose its
    nanoseconds and its offset's spelling. Here attributes stay the strings that they are.
    """

    def __init__(self, attributes: dict[str, Any], data: Any = None) -> None:
        self._attributes = dict(attributes)
        self._data = data

    def get_id(self) -> str:
        return str(self._attributes["id"])

    def get_source(self) -> str:
        return str(self._attributes["source"])

    def get_type(self) -> str:
        return str(self._attributes["type"])

    def get_specversion(self) -> str:
        return str(self._attributes["specversion"])

    def get_datacontenttype(self) -> str | None:
        return self._attributes.get("datacontenttype")

    def get_dataschema(self) -> str | None:
        return self._attributes.get("dataschema")

    def get_subject(self) -> str | None:
        return self._attributes.get("subject")

    def get_time(self) -> datetime | None:
        text = self._attributes.get("time")
        return None if text is None else datetime.fromisoformat(text)

    def get_extension(self, extension_name: str) -> Any:
        return self._attributes.get(extension_name)

    def get_data(self) -> Any:
        return self._data

    def get_attributes(self) -> dict[str, Any]:
        return dict(self._attributes)


def write_json(event: CloudEvent) -> bytes:
    """The event in the JSON format: `data` where that gives back the same bytes, else `data_base64`."""
    from cloudevents.core.formats.json import JSONFormat

    sdk_knows_json = JSONFormat.JSON_CONTENT_TYPE_PATTERN.match(event.datacontenttype or "") is not None
    data = _readable(event, sdk_knows_json) if event.data else None
    return JSONFormat().write(SdkEvent(event.attributes(), event.data if data is None else data))


def _readable(event: CloudEvent, sdk_knows_json: bool) -> JsonValue | None:
    """The data as JSON or text; None where only its bytes say exactly what it is."""
    if event.data is None or event.datacontenttype is None:
        return None
    media = parse_media_type(event.datacontenttype, "datacontenttype")
    if media.json and sdk_knows_json:
        value: JsonValue | None = parse(event.data)
        return value if compact(value) == event.data else None
    if media.text and media.utf8 and not media.json:
        try:
            return event.data.decode()
        except UnicodeDecodeError:
            return None  # declared as text, but bytes
    return None
