"""The SDK and this code agree about every valid event; where the SDK is too lax is written down here."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent as TheirEvent
from hypothesis import given

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.http_binding import decode, encode_binary, encode_structured
from events.sdk import SdkEvent
from tests.events.strategies import cloud_events


def _theirs(event: CloudEvent) -> SdkEvent:
    return SdkEvent(event.attributes(), event.data)


@given(cloud_events())
def test_binary_mode_is_written_as_the_sdk_writes_it(event: CloudEvent) -> None:
    message = to_binary_event(_theirs(event))
    headers, body = encode_binary(event)
    assert dict(headers) == message.headers
    assert body == message.body


@given(cloud_events())
def test_what_the_sdk_writes_is_read(event: CloudEvent) -> None:
    for message in (to_binary_event(_theirs(event)), to_structured_event(_theirs(event))):
        assert decode(message.headers.items(), message.body) == event


@given(cloud_events())
def test_the_sdk_reads_what_is_written(event: CloudEvent) -> None:
    for headers, body in (encode_binary(event), encode_structured(event)):
        theirs = from_http_event(HTTPMessage(dict(headers), body))
        assert theirs.get_id() == event.id
        assert theirs.get_source() == event.source
        assert theirs.get_subject() == event.subject
        assert {name: theirs.get_extension(name) for name in event.extensions} == dict(event.extensions)


def test_the_sdks_own_event_is_read() -> None:
    theirs = TheirEvent(
        {"type": "t", "source": "/s", "time": datetime(2026, 1, 31, tzinfo=UTC), "datacontenttype": "application/json"},
        {"a": 1},
    )
    for message in (to_binary_event(theirs), to_structured_event(theirs)):
        event = decode(message.headers.items(), message.body)
        assert (event.id, event.time) == (theirs.get_id(), "2026-01-31T00:00:00Z")


ROOT = Path(__file__).parents[2]
_HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({name: value for name, value in _HEADERS.items() if name != "ce-id"}, b""),
        ({name: value for name, value in _HEADERS.items() if name != "ce-specversion"}, b""),
        ({**_HEADERS, "ce-subject": "%C0%A0"}, b""),
        ({**_HEADERS, "content-type": "application/json"}, b"{"),
        ({"content-type": "application/json"}, b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'),
        ({"content-type": "application/cloudevents+json"}, b'{"specversion":"1.0","source":"/s","type":"t"}'),
    ],
)
def test_where_the_sdk_is_too_lax_nothing_passes(headers: dict[str, str], body: bytes) -> None:
    from_http_event(HTTPMessage(headers, body))  # once this fails, the SDK has become strict: trust it with more
    with pytest.raises(EventError):
        decode(headers.items(), body)


def test_reading_and_binary_mode_do_without_the_sdk() -> None:
    """It would bring a date parser to each cold start, and parliament's environment has an older one."""
    program = (
        "import sys; from events.http_binding import decode, encode_binary\n"
        "encode_binary(decode([('ce-specversion','1.0'),('ce-id','1'),('ce-source','/s'),('ce-type','t')], b''))\n"
        "structured = [('content-type','application/cloudevents+json')]\n"
        'decode(structured, b\'{"specversion":"1.0","id":"1","source":"/s","type":"t"}\')\n'
        "print([name for name in ('cloudevents', 'dateutil', 'pydantic') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert printed.stdout == "[]\n"


def test_the_adapter_answers_as_the_sdks_interface_asks() -> None:
    event = CloudEvent(
        id="1", source="/s", type="t", subject="x", time="2026-01-31T12:00:00.123456789Z",
        datacontenttype="text/plain", dataschema="urn:a:b", extensions={"ext": "y"}, data=b"hi",
    )  # fmt: skip
    theirs = _theirs(event)
    assert (theirs.get_id(), theirs.get_source(), theirs.get_type()) == ("1", "/s", "t")
    assert (theirs.get_specversion(), theirs.get_subject(), theirs.get_extension("ext")) == ("1.0", "x", "y")
    assert (theirs.get_datacontenttype(), theirs.get_dataschema()) == ("text/plain", "urn:a:b")
    assert theirs.get_time() == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert theirs.get_data() == b"hi"
    theirs.get_attributes()["id"] = "2"
    assert theirs.get_id() == "1"
    assert SdkEvent({"id": "1"}).get_time() is None
