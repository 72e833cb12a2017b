"""What func-python consumed is given back, and is then as strictly an event as anywhere else."""

import json

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import assume, given

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.http_binding import Headers, decode, encode_binary, encode_structured
from infra.hosts.func_python.received import body_of
from tests.events.strategies import cloud_events


def read_again(headers: Headers, body: bytes) -> CloudEvent:
    """As func-python reads a request, and then we."""
    pairs = list(headers)
    event = from_http_event(HTTPMessage({name.lower(): value for name, value in pairs}, body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    return decode(pairs, body_of({"event": event, "headers": raw}))


def meaning(event: CloudEvent) -> tuple[dict[str, str], object]:
    """Everything but the time's spelling and the JSON's."""
    attributes = {name: value for name, value in event.attributes().items() if name != "time"}
    try:
        return attributes, json.loads(event.data or b"null")
    except ValueError:
        return attributes, event.data


@given(cloud_events())
def test_binary_mode_says_the_same(event: CloudEvent) -> None:
    assume(not isinstance(meaning(event)[1], str))  # a JSON string looks like text that is no JSON: refused
    headers, body = encode_binary(event)
    again = read_again(headers, body)
    assert (meaning(again), again.time) == (meaning(event), event.time)


@given(cloud_events())
def test_structured_mode_says_the_same(event: CloudEvent) -> None:
    assume(event.data is None or meaning(event)[1] is not None)  # null is nothing to the SDK
    headers, body = encode_structured(event)
    assert meaning(read_again(headers, body)) == meaning(event)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'),
        ({}, b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'),
        ({"ce-specversion": "1.0", "ce-source": "/s", "ce-type": "t"}, b""),
        ({"ce-id": "1", "ce-source": "/s", "ce-type": "t"}, b""),
        ({"ce-specversion": "1.0", "ce-id": "%", "ce-source": "/s", "ce-type": "t"}, b""),
        (
            {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "text/json"},
            b'{"a": NaN}',
        ),
        (
            {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "text/json"},
            b'"\\ud800"',
        ),
    ],
    ids=["no media type", "no type", "no id", "no version", "escape", "not a number", "half a character"],
)
def test_what_the_sdk_takes_beyond_the_specification_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(EventError):
        read_again(headers.items(), body)
