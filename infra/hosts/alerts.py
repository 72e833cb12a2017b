"""Alertmanager's webhook, version 4 (0.25 to 0.34), as reports of leaks (reference/events.md 6).

An alert is text that others wrote, and templates may have put anything into it: only the labels that are named here are
kept, each in a form that can be nothing but what it is meant to be. Annotations are never read. A label that has
another form is left out, and its alert is a report all the same: who can spoil one label must not be able to keep the
alerts that came with it from being heard.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from events.cloudevent import CloudEvent
from events.envelope import issue
from events.errors import EventError
from events.leak import LeakReported
from events.references import PathRef
from events.strict_json import parse
from infra.broker.errors import RefusedError
from infra.broker.principal import Principal

LARGEST = 24 * 1024 * 1024  # bytes of a webhook
MOST_ALERTS = 20_000
_NESTING = 8
_log = logging.getLogger("lockstep.alertmanager")
LABELS = {
    "alertname": re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.:/ ]{0,127}"),
    "lockstep_path": re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_./]{1,511}"),
    "lockstep_key": re.compile(r"[A-Za-z0-9_.][-A-Za-z0-9_.]{0,252}"),
    "lockstep_version": re.compile(r"[1-9][0-9]{0,14}"),
    "lockstep_fingerprint": re.compile(r"v[0-9]{1,6}\.[0-9a-f]{64}"),
    "lockstep_place": re.compile(r"[A-Za-z0-9_./][-A-Za-z0-9_./:@#+]{0,199}"),
}
_ALERT = re.compile(r"[0-9a-f]{1,32}")
_STATUSES = ("firing", "resolved")

PathNamed = Callable[[str], PathRef | None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is said of every report: where it came in, when, until when it holds."""

    source: str
    now: datetime
    lifetime: timedelta
    path_named: PathNamed


def reports(body: bytes, reporter: Principal, around: Surroundings) -> tuple[CloudEvent, ...]:
    """The reports of a webhook, one for each alert, in order. Raises RefusedError 400 for what is no such webhook."""
    document = _document(body)
    group = document.get("groupKey")
    if not isinstance(group, str):
        raise RefusedError(400, "groupKey is no text; is this Alertmanager's webhook?")
    alerts = document.get("alerts")
    if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
        raise RefusedError(400, "alerts is no list of objects")
    if len(alerts) > MOST_ALERTS:
        raise RefusedError(413, f"more than {MOST_ALERTS} alerts; set max_alerts in the receiver's webhook_configs")
    left_out = document.get("truncatedAlerts")
    if isinstance(left_out, int) and left_out > 0:
        _log.warning(
            "%s left %d alerts out of a webhook, and nobody triages those: raise max_alerts of its receiver, or have "
            "route.group_by make smaller groups", reporter, left_out,
        )  # fmt: skip
    found: dict[str, CloudEvent] = {}
    for alert in alerts:
        event = _report(alert, group, reporter, around)
        found.setdefault(event.id, event)
    return tuple(found.values())


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = parse(body, nesting=_NESTING)
    except EventError as error:
        raise RefusedError(400, str(error)) from None
    if not isinstance(document, dict):
        raise RefusedError(400, "the webhook is no JSON object")
    if document.get("version") != "4":
        raise RefusedError(400, 'the webhook\'s version is not "4"; this Alertmanager is too old or too new')
    return document


def _report(alert: Mapping[str, Any], group: str, reporter: Principal, around: Surroundings) -> CloudEvent:
    fingerprint, status = alert.get("fingerprint"), alert.get("status")
    if not isinstance(fingerprint, str) or not _ALERT.fullmatch(fingerprint):
        raise RefusedError(400, "an alert's fingerprint is not hexadecimal")
    if status not in _STATUSES:
        raise RefusedError(400, "an alert's status is neither firing nor resolved")
    began = _time(alert.get("startsAt"))
    labels = _kept(alert.get("labels"))
    # The same alert of another Alertmanager is the same finding; one that says something else is another.
    said = [labels.get(name, "") for name in LABELS if name.startswith("lockstep_")]
    leak = _digest(fingerprint, began.isoformat(), *said)
    event = LeakReported.model_validate(
        {
            "leak": leak, "reporter": str(reporter), "via": "alertmanager", "status": status,
            "noticed": min(began, around.now), "detector": labels.get("alertname", ""),
            "place": labels.get("lockstep_place", ""), "path": _path(labels, around), "key": labels.get("lockstep_key"),
            "version": int(labels["lockstep_version"]) if "lockstep_version" in labels else None,
            "fingerprint": labels.get("lockstep_fingerprint"), "expires": around.now + around.lifetime,
            "reason": f"alert {labels.get('alertname', 'without a name')} is {status}",
        }
    )  # fmt: skip
    wire = issue(event, source=around.source, now=around.now)
    identity = _digest(group, fingerprint, began.isoformat(), status)
    return CloudEvent(
        id=identity, source=wire.source, type=wire.type, subject=wire.subject, time=wire.time,
        datacontenttype=wire.datacontenttype, dataschema=wire.dataschema, data=wire.data,
        extensions=MappingProxyType({**wire.extensions, "correlationid": leak}),
    )  # fmt: skip


def _kept(labels: object) -> dict[str, str]:
    if not isinstance(labels, dict):
        raise RefusedError(400, "an alert's labels are no object")
    return {
        name: value
        for name, form in LABELS.items()
        if isinstance(value := labels.get(name), str) and form.fullmatch(value)
    }


def _path(labels: Mapping[str, str], around: Surroundings) -> PathRef | None:
    text = labels.get("lockstep_path")
    return around.path_named(text) if text is not None else None


def _time(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) and len(text) <= 64 else None
        if found is not None and found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # as below
    raise RefusedError(400, "an alert's startsAt is no RFC 3339 time")


def _digest(*parts: str) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        hasher.update(len(raw).to_bytes(8, "big"))  # lengths keep ("ab","c") and ("a","bc") apart
        hasher.update(raw)
    return hasher.hexdigest()[:32]
