import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import envelope, told
from events.catalogue import EVENTS
from events.cloudevent import CloudEvent
from events.envelope import MAX_HOPS, MAX_ID, Received, issue, read, schema_urn
from events.errors import EventError
from events.event import Category, Event
from events.examples import EXAMPLES, NOW
from events.http_binding import decode, encode_binary, encode_structured
from events.orders import PublishRequested
from events.references import PathRef, SecretRef
from events.secret import SecretChanged, SecretRemoved
from tests.events.strategies import TYPED, typed_events

CANARY = "canary-5d1e7"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHANGED = SecretChanged(secret=SecretRef(namespace="n", name="s"), seen="1")
ORDER = PublishRequested(path=PathRef(mount="m", path="p"), expires=NOW, reason="")
EVENT = issue(CHANGED, source="/s", now=NOW)


def _of(event_type: str) -> Event:
    return next(event for event in EXAMPLES if event_type == event.TYPE)


def test_every_type_of_the_catalogue_has_a_strategy() -> None:
    assert set(TYPED) == set(EVENTS)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another process: nothing is known of what was told, so that it is parsed."""
    monkeypatch.setattr(envelope, "recall", lambda model, data: None)


@pytest.mark.usefixtures("elsewhere")
@given(typed_events)
def test_what_is_issued_is_read_back(event: Event) -> None:
    for encode in (encode_binary, encode_structured):
        assert read(decode(*encode(issue(event, source="/s", now=NOW)))).event == event


@given(typed_events)
def test_what_was_told_here_is_what_would_be_parsed(event: Event) -> None:
    wire = issue(event, source="/s", now=NOW)
    found = read(wire).event
    assert found == event
    assert found == type(event).model_validate_json(wire.data or b"", strict=True)
    altered = replace(wire, data=(wire.data or b"") + b" ")
    assert read(altered).event == event
    with pytest.raises(EventError):
        read(replace(wire, data=(wire.data or b"")[:-1]))


def test_only_so_much_is_remembered() -> None:
    for number in range(2000):
        issue(SecretChanged(secret=SecretRef(namespace="n", name="s"), seen=str(number)), source="/s", now=NOW)
    assert len(told._told) <= 256
    issue(SecretChanged(secret=SecretRef(namespace="n", name="s"), seen="x" * 100), source="/s", now=NOW)
    assert all(len(data) <= 4096 for _, data in told._told)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.TYPE)
def test_every_type_is_read_back(model: type[Event]) -> None:
    @given(TYPED[model])
    def holds(event: Event) -> None:
        received = read(issue(event, source="/s", now=NOW))
        assert received.event == event
        assert type(received.event) is model

    holds()


class TestIds:
    @given(typed_events, st.timedeltas(timedelta(0), timedelta(days=9)))
    def test_a_fact_told_again_has_the_same_id(self, event: Event, later: timedelta) -> None:
        if event.CATEGORY is not Category.ORDER:
            again = issue(event, source="/elsewhere", now=NOW + later, cause=read(EVENT), step="x", ordinal=3)
            assert again.id == issue(event, source="/s", now=NOW).id

    def test_another_state_is_another_fact(self) -> None:
        assert issue(CHANGED.model_copy(update={"seen": "2"}), source="/s", now=NOW).id != EVENT.id
        assert issue(SecretRemoved(secret=CHANGED.secret, seen="1"), source="/s", now=NOW).id != EVENT.id

    def test_an_order_given_again_for_one_cause_is_the_same_order(self) -> None:
        cause = read(EVENT)
        one = issue(ORDER, source="/s", now=NOW, cause=cause, step="sweep", ordinal=1)
        again = issue(ORDER, source="/s", now=NOW + timedelta(hours=1), cause=cause, step="sweep", ordinal=1)
        assert one.id == again.id

    def test_another_cause_step_or_place_is_another_order(self) -> None:
        cause = read(EVENT)
        ids = {
            issue(ORDER, source="/s", now=NOW, cause=cause, step="sweep", ordinal=1).id,
            issue(ORDER, source="/s", now=NOW, cause=replace(cause, id="other"), step="sweep", ordinal=1).id,
            issue(ORDER, source="/s", now=NOW, cause=cause, step="retract", ordinal=1).id,
            issue(ORDER, source="/s", now=NOW, cause=cause, step="sweep", ordinal=2).id,
            issue(ORDER, source="/s", now=NOW).id,
        }
        assert len(ids) == 5

    @pytest.mark.parametrize("identity", ["x" * (MAX_ID + 1), "a b", "ü"])
    def test_an_id_that_cannot_be_carried_on_is_refused(self, identity: str) -> None:
        with pytest.raises(EventError, match="id must be 1 to 256 printable"):
            read(replace(EVENT, id=identity))


class TestCauses:
    def test_an_event_without_cause_begins_a_correlation(self) -> None:
        assert EVENT.extension("correlationid") == EVENT.id
        assert EVENT.extension("causationid") is None
        assert EVENT.extension("partitionkey") == EVENT.subject == "namespaces/n/secrets/s"
        assert EVENT.extension("lockstephops") == "0"

    def test_correlation_trace_and_hops_are_carried_on(self) -> None:
        first = read(EVENT.with_extensions(traceparent=TRACE))
        second = issue(ORDER, source="/s", now=NOW, cause=first, step="a")
        third = issue(CHANGED, source="/s", now=NOW + timedelta(hours=1), cause=read(second), step="b")
        assert third.extensions == {
            "correlationid": EVENT.id, "causationid": second.id, "partitionkey": "namespaces/n/secrets/s",
            "lockstephops": "2", "lockstepbegan": "2026-01-31T12:00:00.250000Z", "traceparent": TRACE,
        }  # fmt: skip

    @pytest.mark.parametrize("began", ["", "x", "2026-01-31T12:00:00", "0001-01-01T00:00:00+14:00", "9" * 5000])
    def test_a_beginning_that_is_no_time_measures_nothing(self, began: str) -> None:
        received = read(EVENT.with_extensions(lockstepbegan=began))
        assert received.began is None
        assert issue(CHANGED, source="/s", now=NOW, cause=received).extension("lockstepbegan") == EVENT.time

    def test_a_stranger_without_correlation_begins_one(self) -> None:
        assert read(EVENT.with_extensions(correlationid=None)).correlation == EVENT.id

    @pytest.mark.parametrize("correlation", ["x" * (MAX_ID + 1), "a b", "ü"])
    def test_a_correlation_that_cannot_be_carried_on_is_refused(self, correlation: str) -> None:
        with pytest.raises(EventError, match="correlationid must be"):
            read(EVENT.with_extensions(correlationid=correlation))

    @pytest.mark.parametrize(
        "trace",
        [
            "", "x", TRACE.upper(), TRACE + "-x", TRACE[:-1], TRACE + "\n", "ff" + TRACE[2:],
            TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), TRACE.replace("b7ad6b7169203331", "0" * 16),
        ],
    )  # fmt: skip
    def test_an_invalid_trace_is_dropped(self, trace: str) -> None:
        assert read(EVENT.with_extensions(traceparent=trace)).traceparent is None

    def test_the_time_is_utc(self) -> None:
        there = datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2)))
        assert issue(CHANGED, source="/s", now=there).time == "2026-01-31T12:00:00Z"


class TestHops:
    def test_a_loop_ends(self) -> None:
        cause = read(EVENT)
        for _ in range(MAX_HOPS):
            cause = read(issue(CHANGED, source="/s", now=NOW, cause=cause, step="a"))
        with pytest.raises(EventError, match="a loop"):
            issue(CHANGED, source="/s", now=NOW, cause=cause, step="a")

    @pytest.mark.parametrize(("text", "hops"), [(None, 0), ("0", 0), ("7", 7), ("0032", 32)])
    def test_hops(self, text: str | None, hops: int) -> None:
        assert read(EVENT.with_extensions(lockstephops=text)).hops == hops

    @pytest.mark.parametrize(
        "text", ["", "33", "-1", "+1", "1.0", "1e1", " 1", "00001", "9" * 5000, "\u0661", "\u00b2", "x"]
    )
    def test_what_is_no_number_of_hops(self, text: str) -> None:
        with pytest.raises(EventError, match="lockstephops must be a number from 0 to 32"):
            read(EVENT.with_extensions(lockstephops=text))


class TestReading:
    def test_an_unknown_type_is_refused(self) -> None:
        with pytest.raises(EventError, match="type is not in the catalogue"):
            read(replace(EVENT, type=CANARY))

    def test_a_subject_that_its_data_contradicts_is_refused(self) -> None:
        with pytest.raises(EventError, match="subject"):
            read(replace(EVENT, subject="namespaces/other/secrets/s"))

    def test_the_data_alone_may_name_the_subject(self) -> None:
        assert read(replace(EVENT, subject=None)).event == CHANGED

    @pytest.mark.parametrize("content", [None, "application/json", "Application/JSON; charset=utf-8"])
    def test_data_is_json(self, content: str | None) -> None:
        assert read(replace(EVENT, datacontenttype=content)).event == CHANGED

    @pytest.mark.parametrize("content", ["text/plain", "application/x+json", "application/json; charset=latin1", "x"])
    def test_data_of_another_type_is_refused(self, content: str) -> None:
        with pytest.raises(EventError, match="datacontenttype"):
            read(replace(EVENT, datacontenttype=content))

    def test_the_schema_version_before_is_accepted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = EVENT
        monkeypatch.setattr(SecretChanged, "SCHEMA_VERSION", 2)
        assert issue(CHANGED, source="/s", now=NOW).dataschema == "urn:lockstep:event:secret.changed:2"
        assert read(before).event == CHANGED
        monkeypatch.setattr(SecretChanged, "SCHEMA_VERSION", 3)
        with pytest.raises(EventError, match=r"not urn:lockstep:event:secret.changed:3 or the one before"):
            read(before)

    @pytest.mark.parametrize("schema", ["urn:lockstep:event:secret.changed:0", "urn:lockstep:event:secret.changed:2"])
    def test_another_schema_is_refused(self, schema: str) -> None:
        with pytest.raises(EventError, match="dataschema"):
            read(replace(EVENT, dataschema=schema))

    def test_an_event_may_leave_its_schema_out(self) -> None:
        assert read(replace(EVENT, dataschema=None)).event == CHANGED
        assert EVENT.dataschema == schema_urn(SecretChanged, 1)


SECRET = {"namespace": "n", "name": "s"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "secret: Field required"),
        (b"", "secret: Field required"),
        (CANARY.encode(), "the document: json_invalid"),
        (b"\xff", "the document: json_invalid"),
        (b"[" * 5000, "the document: json_invalid"),
        ({"secret": SECRET, CANARY: 1}, "?: Extra inputs are not permitted"),
        ({"secret": {**SECRET, CANARY: CANARY}}, "secret.?: Extra inputs"),
        ({"secret": {**SECRET, "name": CANARY.upper()}}, "secret.name is not a Kubernetes name"),
        ({"secret": {**SECRET, "name": f"../{CANARY}"}}, "secret.name is not a Kubernetes name"),
        ({"secret": SECRET, "seen": f"{CANARY} {CANARY}"}, "seen: String should match pattern"),
        ({"secret": SECRET, "seen": CANARY * 99}, "seen: String should have at most"),
        ({"secret": SECRET, "seen": 1}, "seen: Input should be a valid string"),
        ({"secret": CANARY}, "secret: model_type"),
    ],
)
def test_problems_with_data_are_told_without_quoting_it(data: Any, told: str) -> None:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data
    with pytest.raises(EventError) as refusal:
        read(replace(EVENT, data=raw))
    assert told in str(refusal.value)
    assert CANARY not in str(refusal.value).lower()
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("event_type", "change", "told"),
    [
        ("dev.lockstep.secret.published", {"outcome": CANARY}, "outcome: Input should be 'written' or 'unchanged'"),
        ("dev.lockstep.secret.published", {"keys": [".."]}, "keys.0: String should match pattern"),
        ("dev.lockstep.secret.published", {"version": {"number": "7", "created": "2026-01-31T00:00:00Z"}}, "number"),
        ("dev.lockstep.secret.published", {"version": {"number": 7, "created": 1769860800}}, "version.created"),
        ("dev.lockstep.secret.published", {"version": {"number": 7, "created": "2026-01-31T00:00:00"}}, "timezone"),
        (
            "dev.lockstep.secret.published",
            {"version": {"number": 7, "created": "0001-01-01T00:00:00+14:00"}},
            "is not a time that UTC can tell",
        ),
        ("dev.lockstep.secret.materialized", {"stamp": {f"{CANARY} x": {}}}, "stamp.?"),
        ("dev.lockstep.publish.requested", {"expires": "2026-01-31T00:00:00"}, "timezone"),
        ("dev.lockstep.claim.requested", {"by": CANARY + "\n"}, "by: String should match"),
        ("dev.lockstep.retract.requested", {"target": {"mount": "m", "path": f"a/../{CANARY}"}}, "target"),
    ],
)
def test_every_field_is_held_to_its_shape(event_type: str, change: dict[str, Any], told: str) -> None:
    event = _of(event_type)
    data = {**json.loads(event.model_dump_json()), **change}
    with pytest.raises(EventError) as refusal:
        read(replace(issue(event, source="/s", now=NOW), data=json.dumps(data).encode(), subject=None))
    assert told in str(refusal.value)
    assert CANARY not in str(refusal.value)


@given(st.sampled_from([model.TYPE for model in EVENTS]), st.binary() | st.text().map(str.encode))
def test_arbitrary_data_raises_nothing_but_the_one_error(event_type: str, data: bytes) -> None:
    wire = CloudEvent(id="1", source="/s", type=event_type, data=data)
    with suppress(EventError):
        assert isinstance(read(wire), Received)
