import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.cloudevent import MAX_EVENT_BYTES, MAX_NESTING, CloudEvent
from events.errors import EventError
from events.http_binding import (
    BATCH,
    MAX_BATCH_EVENTS,
    STRUCTURED,
    decode,
    decode_any,
    decode_batch,
    encode_batch,
    encode_binary,
    encode_structured,
)
from tests.events.strategies import cloud_events

VECTORS = Path(__file__).parent / "vectors"
MINIMAL = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")]
CANARY = "canary-5d1e7"


def _vectors(name: str) -> list[Any]:
    cases = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return [pytest.param(case, id=case["name"]) for case in cases]


def _message(case: dict[str, Any]) -> tuple[list[tuple[str, str]], bytes]:
    headers = [(name, value) for name, value in case.get("headers", [])]
    if "document" in case:
        return headers or [("Content-Type", STRUCTURED)], json.dumps(case["document"]).encode()
    return headers, case["body"].encode() if "body" in case else base64.b64decode(case.get("body_base64", ""))


def _shown(event: CloudEvent) -> dict[str, Any]:
    data = {} if event.data is None else {"data": event.data.decode()}
    return {**event.attributes(), **data}


@pytest.mark.parametrize("case", _vectors("valid.json"))
def test_valid_messages_are_read(case: dict[str, Any]) -> None:
    assert _shown(decode(*_message(case))) == case["event"]


@pytest.mark.parametrize("case", _vectors("invalid.json"))
def test_invalid_messages_are_refused_with_what_to_mend(case: dict[str, Any]) -> None:
    with pytest.raises(EventError) as refusal:
        decode(*_message(case))
    assert case["refused"] in str(refusal.value)
    assert CANARY not in str(refusal.value)


@pytest.mark.parametrize("case", _vectors("batches.json"))
def test_batches(case: dict[str, Any]) -> None:
    headers = [("content-type", case.get("content_type", BATCH))]
    body = json.dumps(case["document"]).encode()
    if "refused" in case:
        with pytest.raises(EventError, match=case["refused"]):
            decode_batch(headers, body)
    else:
        assert [event.id for event in decode_batch(headers, body)] == case["ids"]


@given(cloud_events())
def test_binary_mode_gives_back_what_was_sent(event: CloudEvent) -> None:
    assert decode(*encode_binary(event)) == event


@given(cloud_events())
def test_binary_mode_is_printable_ascii(event: CloudEvent) -> None:
    for name, value in encode_binary(event)[0]:
        assert all("\x20" <= character <= "\x7e" for character in name + value)


@given(cloud_events())
def test_structured_mode_gives_back_what_was_sent(event: CloudEvent) -> None:
    assert decode(*encode_structured(event)) == event


@given(st.lists(cloud_events(), max_size=4))
def test_batched_mode_gives_back_what_was_sent(events: list[CloudEvent]) -> None:
    headers, body = encode_batch(events)
    assert decode_batch(headers, body) == tuple(events)
    assert decode_any(headers, body) == tuple(events)


@given(cloud_events())
def test_a_receiver_of_any_mode_takes_single_events(event: CloudEvent) -> None:
    assert decode_any(*encode_binary(event)) == (event,)
    assert decode_any(*encode_structured(event)) == (event,)


def test_a_receiver_of_any_mode_takes_an_array_sent_as_structured() -> None:
    """Event Grid does so, documents notwithstanding."""
    event = CloudEvent(id="1", source="/s", type="t")
    _, body = encode_batch([event, event])
    headers = [("Content-Type", f"{STRUCTURED}; charset=utf-8")]
    assert decode_any(headers, body) == (event, event)
    with pytest.raises(EventError):
        decode(headers, body)


_names = st.sampled_from(
    ["ce-id", "ce-source", "ce-type", "ce-specversion", "CE-Time", "ce-subject", "ce-x", "ce-", "ce-data", "other"]
)
_values = st.sampled_from(["1.0", "/s", '"', '"\\', "%", "%c0%a0", "%00"]) | st.text(max_size=8)
_contents = st.sampled_from(
    [STRUCTURED, BATCH, "application/json", "application/cloudevents+xml", f"{STRUCTURED}; charset=latin1", "text/"]
)
_fragments = st.sampled_from(
    [
        b'{"specversion":"1.0"', b',"id":"1"', b',"source":"/s"', b',"type":"t"', b',"data":', b"[", b"{", b"}", b"]",
        b'"\\ud800"', b"NaN", b"1e999", b"\xff", b'"a":', b',"data_base64":"!"', b"null", b"9" * 5000, b"-",
    ]
)  # fmt: skip
_bodies = st.binary() | st.lists(_fragments).map(b"".join)
_headers = st.lists(st.tuples(_names, _values) | st.tuples(st.just("content-type"), _contents | _values), max_size=6)


@given(_headers | _headers.map(lambda more: [*MINIMAL, *more]), _bodies)
@example([("content-type", STRUCTURED)], b"[" * 100_000)
@example([("content-type", BATCH)], b'{"a":' * 100_000)
@example([*MINIMAL, ("content-type", "application/json")], b"9" * 10_000)
def test_arbitrary_messages_raise_nothing_but_the_one_error(headers: list[tuple[str, str]], body: bytes) -> None:
    for reader in (decode, decode_batch, decode_any):
        with suppress(EventError):
            reader(headers, body)


def test_data_may_be_nested_as_deep_in_every_mode() -> None:
    deepest = b"[" * MAX_NESTING + b"]" * MAX_NESTING
    event = CloudEvent(id="1", source="/s", type="t", datacontenttype="application/json", data=deepest)
    assert decode(*encode_binary(event)) == event
    assert decode(*encode_structured(event)) == event
    assert decode_batch(*encode_batch([event])) == (event,)


def test_data_nested_deeper_is_refused_in_every_mode() -> None:
    deeper = b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1)
    document = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":' + deeper + b"}"
    for headers, body in (
        ([*MINIMAL, ("content-type", "application/json")], deeper),
        ([("content-type", STRUCTURED)], document),
    ):
        with pytest.raises(EventError, match="nested deeper than"):
            decode(headers, body)
    with pytest.raises(EventError, match="nested deeper than"):
        decode_batch([("content-type", BATCH)], b"[" + document + b"]")


def test_the_size_limit_counts_attributes_and_data() -> None:
    size = sum(len(name.removeprefix("ce-")) + len(value) for name, value in MINIMAL)
    assert decode(MINIMAL, b"x" * (MAX_EVENT_BYTES - size)).data
    with pytest.raises(EventError, match="larger than 262144 bytes"):
        decode(MINIMAL, b"x" * (MAX_EVENT_BYTES - size + 1))
    with pytest.raises(EventError, match="larger than"):
        decode([*MINIMAL, ("ce-subject", "%C3%A9" * (MAX_EVENT_BYTES // 2))], b"")


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ("text/plain", b"\x01" * 200_000),
        ("application/octet-stream", b"\xff" * 200_000),
        ("text/xml", "é".encode() * 99_000),
    ],
)
def test_no_event_within_the_limit_has_a_body_beyond_it(content: str, data: bytes) -> None:
    event = CloudEvent(id="1", source="/s", type="t", datacontenttype=content, data=data)
    assert decode(*encode_structured(event)) == event


def test_a_body_beyond_every_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(EventError, match="body is larger"):
        decode([("content-type", STRUCTURED)], b" " * (6 * MAX_EVENT_BYTES + 1))


def test_a_batch_of_too_many_events_is_refused() -> None:
    with pytest.raises(EventError, match="at most 5000"):
        decode_batch([("content-type", BATCH)], json.dumps([{}] * (MAX_BATCH_EVENTS + 1)).encode())


def test_structured_mode_ignores_the_copies_in_headers() -> None:
    """Any ce- header makes the SDK read binary mode; the media type alone decides (HTTP binding, 3)."""
    event = CloudEvent(id="inner", source="/s", type="t")
    headers, body = encode_structured(event)
    assert decode([*headers, ("ce-id", "outer"), ("ce-specversion", "0.3")], body) == event


@pytest.mark.parametrize("encode", [encode_binary, encode_structured, lambda event: encode_batch([event])])
@pytest.mark.parametrize(
    "event",
    [
        CloudEvent(id="", source="/s", type="t"),
        CloudEvent(id="1", source="/s", type="t", datacontenttype="text/plain\r\nx: y"),
        CloudEvent(id="1", source="/s", type="t", extensions={"Bad-Name": "x"}),
        CloudEvent(id="1", source="/s", type="t", datacontenttype="application/json", data=b"{"),
        CloudEvent(id="1", source="/s", type="t", data=b"x" * MAX_EVENT_BYTES),
    ],
)
def test_what_no_reader_accepts_is_not_written(encode: Any, event: CloudEvent) -> None:
    with pytest.raises(EventError):
        encode(event)


def test_an_event_within_an_event_travels_in_structured_mode_only() -> None:
    event = CloudEvent(id="1", source="/s", type="t", datacontenttype=STRUCTURED, data=b"{}")
    assert decode(*encode_structured(event)) == event
    with pytest.raises(EventError, match="structured mode only"):
        encode_binary(event)
