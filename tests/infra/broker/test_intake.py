"""What the broker adds, overwrites and takes off."""

import pytest

from events.cloudevent import MAX_EVENT_BYTES, CloudEvent
from infra.broker.errors import RefusedError
from infra.broker.intake import stamp, stamp_reply, with_error
from infra.broker.principal import ANONYMOUS, Principal
from tests.infra.broker.kit import SOURCE, event


@pytest.mark.parametrize(("sent", "stored"), [(None, 255), ("255", 254), ("2", 1), ("9999999999", 255)])
def test_ttl(sent: str | None, stored: int) -> None:
    stamped = stamp(event(1, **({"knativebrokerttl": sent} if sent else {})), SOURCE, 0)
    assert stamped.ttl == stored
    assert "knativebrokerttl" not in stamped.event.extensions


@pytest.mark.parametrize("sent", ["1", "0", "-5", "many", "1.5", "", "٣"])
def test_a_ttl_that_is_used_up_or_no_number(sent: str) -> None:
    with pytest.raises(RefusedError) as refused:
        stamp(event(1, knativebrokerttl=sent), SOURCE, 0)
    assert refused.value.status == 400


def test_the_sender_decides_neither_key_nor_actor_nor_arrival() -> None:
    sent = event(1, partitionkey="x", lockstepactor="step:publish", knativearrivaltime="1970-01-01T00:00:00Z")
    extensions = stamp(sent, ANONYMOUS, 1_700_000_000_123_456).event.extensions
    assert extensions["partitionkey"] == "s/1"
    assert extensions["lockstepactor"] == "anonymous"
    assert extensions["knativearrivaltime"] == "2023-11-14T22:13:20.123456Z"


def test_a_trace_is_kept_or_begun() -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert stamp(event(1, traceparent=given), SOURCE, 0).event.extensions["traceparent"] == given
    begun = stamp(event(1, traceparent="nonsense"), SOURCE, 0).event.extensions["traceparent"]
    assert begun.startswith("00-")
    assert begun != stamp(event(1), SOURCE, 0).event.extensions["traceparent"]


def test_a_reply_inherits_what_it_does_not_say() -> None:
    cause = stamp(event("cause", correlationid="c"), SOURCE, 0).event
    step = Principal("step", "x")
    silent = stamp_reply(event("reply"), step, 0, cause, 10)
    assert silent.ttl == 9
    assert (silent.about.correlation, silent.about.causation) == ("c", "cause")
    speaking = stamp_reply(event("reply", correlationid="own", causationid="z"), step, 0, cause, 10)
    assert (speaking.about.correlation, speaking.about.causation) == ("own", "z")
    with pytest.raises(RefusedError, match="loop"):
        stamp_reply(event("reply"), step, 0, cause, 1)


def test_what_cannot_be_stored_is_refused() -> None:
    large = CloudEvent(id="1", source="/s", type="t", data=bytes(MAX_EVENT_BYTES))
    with pytest.raises(RefusedError) as refused:
        stamp(large, SOURCE, 0)
    assert refused.value.status == 413
    with pytest.raises(RefusedError) as refused:
        stamp(event("\ud800"), SOURCE, 0)
    assert refused.value.status == 400


def test_error_attributes() -> None:
    assert with_error(event(1), "service:a/b", 500, "").extensions == {
        "knativeerrordest": "service:a/b",
        "knativeerrorcode": "500",
    }
