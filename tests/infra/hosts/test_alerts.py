"""Webhooks as reports: what is kept of them, what is refused, and that nothing in a label is anything but text."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import read
from events.leak import LeakReported
from events.references import PathRef
from infra.broker.errors import RefusedError
from infra.broker.principal import Principal
from infra.hosts.alerts import MOST_ALERTS, Surroundings, reports

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WHO = Principal("reporter", "prometheus")
PATH = PathRef(mount="secret", path="platform-data/postgres/orders")
PRINT = f"v1.{'ab' * 32}"


def named(text: str) -> PathRef | None:
    mount, _, path = text.partition("/")
    try:
        return PathRef(mount=mount, path=path)
    except ValueError:
        return None


AROUND = Surroundings("/lockstep/test/alertmanager", NOW, timedelta(minutes=15), named)


def alert(**members: Any) -> dict[str, Any]:
    labels = {"alertname": "SecretInLog", "lockstep_path": str(PATH), "severity": "critical"}
    return {
        "status": "firing", "labels": labels, "annotations": {"summary": "password=hunter2"},
        "startsAt": "2026-01-31T11:59:00.123Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "fingerprint": "c0ffee0123456789", **members,
    }  # fmt: skip


def webhook(*alerts: Any, **members: Any) -> bytes:
    document = {
        "version": "4", "groupKey": '{}:{alertname="SecretInLog"}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "lockstep", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager", "alerts": list(alerts), **members,
    }  # fmt: skip
    return json.dumps(document).encode()


def taken(body: bytes) -> list[LeakReported]:
    found = [read(wire).event for wire in reports(body, WHO, AROUND)]
    assert all(isinstance(one, LeakReported) for one in found)
    return found  # type: ignore[return-value]  # as asserted


def labelled(**labels: str) -> LeakReported:
    (event,) = taken(webhook(alert(labels=labels)))
    return event


def test_alerts_that_were_left_out_are_told(caplog: pytest.LogCaptureFixture) -> None:
    assert len(taken(webhook(alert()))) == 1
    assert caplog.records == []
    assert len(taken(webhook(alert(), truncatedAlerts=7))) == 1
    assert "7 alerts" in caplog.text
    assert "max_alerts" in caplog.text


def test_what_is_kept_of_an_alert() -> None:
    labels = {
        "alertname": "SecretInLog", "lockstep_path": str(PATH), "lockstep_key": "password", "lockstep_version": "3",
        "lockstep_fingerprint": PRINT, "lockstep_place": "loki:orders/app", "token": "hunter2",
    }  # fmt: skip
    event = labelled(**labels)
    assert (event.path, event.key, event.version, event.fingerprint) == (PATH, "password", 3, PRINT)
    assert (event.reporter, event.via, event.detector, event.place) == (
        "reporter:prometheus", "alertmanager", "SecretInLog", "loki:orders/app",
    )  # fmt: skip
    assert event.noticed == datetime(2026, 1, 31, 11, 59, 0, 123000, tzinfo=UTC)
    assert event.expires == NOW + timedelta(minutes=15)
    assert "hunter2" not in event.model_dump_json()


def test_ids_tell_repetitions_from_news() -> None:
    def ids(body: bytes) -> tuple[str, str]:
        (wire,) = reports(body, WHO, AROUND)
        return wire.id, str(wire.subject)

    first = ids(webhook(alert()))
    assert ids(webhook(alert())) == first
    resolved = ids(webhook(alert(status="resolved")))
    other_group = ids(webhook(alert(), groupKey="other"))
    again = ids(webhook(alert(startsAt="2026-01-31T11:59:59Z")))
    assert len({first[0], resolved[0], other_group[0], again[0]}) == 4
    assert first[1] == resolved[1] == other_group[1] != again[1]
    assert ids(webhook(alert(startsAt="2026-01-31T12:59:00.123+01:00"))) == first


def test_one_that_says_another_thing_is_another_finding() -> None:
    """Who knows an alert's fingerprint cannot take its place with another secret."""
    forged = alert(labels={"alertname": "SecretInLog", "lockstep_path": "secret/other"})
    (one,), (two,) = reports(webhook(alert()), WHO, AROUND), reports(webhook(forged), WHO, AROUND)
    assert one.subject != two.subject


def test_an_alert_that_comes_twice_in_a_webhook_is_one() -> None:
    assert len(reports(webhook(alert(), alert()), WHO, AROUND)) == 1


def test_ten_thousand_alerts() -> None:
    many = (alert(fingerprint=f"{number:016x}") for number in range(10_000))
    found = reports(webhook(*many), WHO, AROUND)
    assert len({wire.id for wire in found}) == 10_000
    with pytest.raises(RefusedError) as refused:
        reports(webhook(*([alert()] * (MOST_ALERTS + 1))), WHO, AROUND)
    assert refused.value.status == 413


def test_a_clock_that_is_ahead_is_now() -> None:
    (event,) = taken(webhook(alert(startsAt="2031-01-01T00:00:00Z")))
    assert event.noticed == NOW


INJECTIONS = (
    "../../sys/seal", "secret/../../etc/passwd", "secret//x", "/etc/passwd", "secret/x\x00", "secret/x\n", "%2e%2e/x",
    "secret/x'; DROP TABLE event; --", "secret/$(reboot)", "secret/`id`", "<script>alert(1)</script>",
    "secret/\x1b[2J\x1b]0;x\x07", "secret/\u202etxt.exe", "http://169.254.169.254/latest", "{{ .Values }}", "${jndi:ldap://x}",
    "secret/x?version=1", "secret/x#y", "sécret/x", "", "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_left_out_and_the_alert_is_heard(text: str) -> None:
    labels = ("alertname", "lockstep_path", "lockstep_key", "lockstep_fingerprint", "lockstep_version")
    event = labelled(**dict.fromkeys(labels, text))
    assert event.path is None
    assert event.fingerprint is None
    assert event.version is None
    printed = event.model_dump_json()
    assert "\x1b" not in printed
    assert "DROP" not in (event.key or "") + event.detector
    assert labelled(lockstep_place=text).place in ("", text)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"version":"4"}', webhook(alert())[:-20], webhook(version="3"),
        webhook(alert(), version=4), webhook("alert"), webhook(alerts={}), webhook(groupKey=None),
        webhook(alert(status="unknown")), webhook(alert(fingerprint="x/y")), webhook(alert(fingerprint=None)),
        webhook(alert(startsAt="yesterday")), webhook(alert(startsAt="2026-01-31T11:59:00")), webhook(alert(labels=[])),
        webhook(alert(startsAt="9999-12-31T23:59:59-23:59")),
        b'{"version":"4","version":"4","groupKey":"","alerts":[]}',
        b"[" * 100_000,
    ],
    ids=range(21),
)  # fmt: skip
def test_what_is_no_webhook_is_refused_whole(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        reports(body, WHO, AROUND)
    assert refused.value.status == 400
    assert "hunter2" not in refused.value.reason


def test_no_alerts_are_no_reports() -> None:
    assert reports(webhook(), WHO, AROUND) == ()


_TEXT = st.text(max_size=60)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_ALERT = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | _JSON,
        "labels": st.dictionaries(
            st.sampled_from(["alertname", "lockstep_path", "lockstep_key", "lockstep_version", "lockstep_place"])
            | _TEXT,
            _TEXT | _JSON,
            max_size=6,
        ),
        "startsAt": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | _JSON,
        "fingerprint": st.from_regex(r"[0-9a-f]{16}", fullmatch=True) | _JSON,
    },
)


@given(st.lists(_ALERT, max_size=4), _JSON)
def test_whatever_comes_is_reported_or_refused(alerts: list[dict[str, Any]], other: Any) -> None:
    for body in (webhook(*alerts), webhook(*alerts, groupKey=other), json.dumps(other).encode()):
        try:
            found = reports(body, WHO, AROUND)
        except RefusedError as refused:
            found, status = (), refused.status
        else:
            status = 200
        assert status in (200, 400)
        for wire in found:
            event = read(wire).event
            assert isinstance(event, LeakReported)
            assert event.reporter == str(WHO)
            assert all(each.isprintable() for each in (event.place, event.detector, event.key or "", event.reason))
