"""The ingress's table: who may say what, and until when an order holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.catalogue import EVENTS
from events.cloudevent import CloudEvent
from events.event import Category, Event
from functions import STEPS
from functions._step import Step
from infra.broker.errors import RefusedError
from infra.broker.principal import ANONYMOUS, Principal
from infra.hosts import configuration
from infra.hosts.admitting import SOURCES, admission, expired

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = (NOW + timedelta(minutes=1)).isoformat()
OPERATOR = Principal("operator", "1000")
ALERTS = configuration.Principal(
    name="alerts", token_sha256="0" * 64, types=("dev.lockstep.publish.requested", "com.example.*"),
    subject_prefixes=("paths/secret/team", "namespaces/team"),
)  # fmt: skip
TABLE = admission([ALERTS])


def wire(type_: str, subject: str | None = "paths/secret/team/app", /, **data: Any) -> CloudEvent:
    document = {"expires": LATER, **data}
    return CloudEvent(id="1", source="/x", type=type_, subject=subject, data=json.dumps(document).encode())


def may(principal: Principal, type_: str, subject: str | None = "paths/secret/team/app") -> bool:
    try:
        said = wire(type_, subject, reporter=str(principal), by=str(principal), decision="look")
        TABLE.check(principal, said, NOW.timestamp())
    except RefusedError as refused:
        if refused.status not in {401, 403} or len(refused.reason) > 200:
            raise
        return False
    return True


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_each_word_is_said_by_those_who_may(event: type[Event]) -> None:
    for step in STEPS:
        assert may(Principal("step", step.name), event.TYPE) == (event in step.emits)
    for name, types in SOURCES.items():
        assert may(Principal("source", name), event.TYPE) == (event.TYPE in types)
    wiring = event.TYPE == "dev.lockstep.wiring.changed"
    assert may(OPERATOR, event.TYPE) == (event.CATEGORY is not Category.FACT and not wiring)
    assert may(ANONYMOUS, event.TYPE) == (event.CATEGORY is Category.HINT and not wiring)
    for stranger in (Principal("step", "other"), Principal("source", "other"), Principal("token", "other")):
        assert not may(stranger, event.TYPE)


def test_every_source_says_hints_or_what_only_it_knows() -> None:
    facts = {event.TYPE for event in EVENTS if event.CATEGORY is Category.FACT}
    for name, types in SOURCES.items():
        assert name == "operators" or not facts & set(types)


def test_a_token_says_what_it_was_given_below_its_subjects() -> None:
    alerts = Principal("token", "alerts")
    order = "dev.lockstep.publish.requested"
    for subject in ("paths/secret/team", "paths/secret/team/app", "namespaces/team/secrets/x"):
        assert may(alerts, order, subject)
        assert may(alerts, "com.example.thing", subject)
    strangers: tuple[str | None, ...] = ("paths/secret/teams", "paths/secret", "paths/other/team/app", "", None)
    for stranger in strangers:
        assert not may(alerts, order, stranger)
    assert not may(alerts, "dev.lockstep.retract.requested")
    assert not may(alerts, "com.examples.thing")


def test_even_a_configuration_that_nobody_checked_says_no_facts_for_others() -> None:
    """Rules name principals whole: a token called as a step is not the step."""
    assert not may(Principal("token", "publish"), "dev.lockstep.secret.published")
    assert not may(Principal("operator", "publish"), "dev.lockstep.secret.published")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_steps_orders_expire_too(step: Step) -> None:
    for event in step.emits:
        if event.CATEGORY is Category.ORDER:
            late = wire(event.TYPE, expires=(NOW - timedelta(seconds=1)).isoformat())
            with pytest.raises(RefusedError, match="expired"):
                TABLE.check(Principal("step", step.name), late, NOW.timestamp())


ORDER = "dev.lockstep.publish.requested"


@pytest.mark.parametrize(
    ("expires", "says"),
    [
        (LATER, None),
        (NOW.isoformat(), None),
        ("2026-01-01T01:30:00+01:00", None),
        ("2026-01-01T00:00:00Z", None),
        ("2025-12-31T23:59:59Z", "expired"),
        ("2026-01-01T00:30:00+01:00", "expired"),
        ("2026-01-01T00:00:01", "time zone"),
        ("tomorrow", "RFC 3339"),
        ("", "RFC 3339"),
        (None, "RFC 3339"),
        (1893456000, "RFC 3339"),
        ({"a": 1}, "RFC 3339"),
        ("0001-01-01T00:00:00+14:00", "expired"),
        ("9999-12-31T23:59:59-14:00", None),
    ],
)
def test_until_when_an_order_holds(expires: object, says: str | None) -> None:
    found = expired(wire(ORDER, expires=expires), NOW.timestamp())
    assert (found is None) == (says is None)
    assert (says or "") in (found or "")


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[]", b"7", b"no json", b"\xff", b'{"expires"', b"[" * 100_000])
def test_an_order_without_an_expiry_is_none(data: bytes | None) -> None:
    assert "RFC 3339" in (expired(replace(wire(ORDER), data=data), NOW.timestamp()) or "")


def test_other_events_never_expire() -> None:
    for type_ in ("dev.lockstep.secret.changed", "dev.lockstep.secret.published", "com.example.thing"):
        assert expired(replace(wire(type_), data=None), NOW.timestamp()) is None


@pytest.mark.parametrize("principal", [ANONYMOUS, OPERATOR, Principal("step", "publish"), Principal("token", "alerts")])
def test_a_type_of_ours_that_the_catalogue_lacks_is_refused_by_name(principal: Principal) -> None:
    with pytest.raises(RefusedError, match=r"dev\.lockstep\.secret\.exploded: unknown type of ours") as refused:
        TABLE.check(principal, wire("dev.lockstep.secret.exploded"), NOW.timestamp())
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("type_", "member"), [("dev.lockstep.leak.reported", "reporter"), ("dev.lockstep.triage.requested", "by")]
)
def test_nobody_reports_or_decides_a_leak_in_anothers_name(type_: str, member: str) -> None:
    TABLE.check(OPERATOR, wire(type_, **{member: "operator:1000"}), NOW.timestamp())
    others: tuple[Any, ...] = ("operator:0", "reporter:prometheus", "", None, ["operator:1000"])
    for said in others:
        with pytest.raises(RefusedError) as refused:
            TABLE.check(OPERATOR, wire(type_, **{member: said}), NOW.timestamp())
        assert refused.value.status == 403
    with pytest.raises(RefusedError, match="missing"):
        TABLE.check(OPERATOR, wire(type_), NOW.timestamp())


def test_a_step_has_findings_looked_at_and_decides_none() -> None:
    index = Principal("step", "index")
    TABLE.check(index, wire("dev.lockstep.triage.requested", by="index", decision="look"), NOW.timestamp())
    for decision in ("confirm", "dismiss", "attest"):
        with pytest.raises(RefusedError) as refused:
            TABLE.check(
                index, wire("dev.lockstep.triage.requested", by="operator:0", decision=decision), NOW.timestamp()
            )
        assert refused.value.status == 403


def test_a_reporter_reports_leaks_and_nothing_else() -> None:
    reporter = Principal("reporter", "prometheus")
    assert {event.TYPE for event in EVENTS if may(reporter, event.TYPE)} == {"dev.lockstep.leak.reported"}
