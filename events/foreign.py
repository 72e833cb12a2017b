"""Events of others, said in ours: Knative's ApiServerSource and PingSource (reference, events.md 2).

What they tell is a hint; whatever else stands in them is left behind. A translated event keeps the id and the source
of its original, so that a redelivery is the same event, and its time and trace.
"""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.event import Event
from events.references import SecretRef
from events.schedule import ScheduleTicked
from events.secret import SecretChanged, SecretRemoved
from events.strict_json import compact, parse

REFERENCE: Final = "dev.knative.apiserver.ref."
RESOURCE: Final = "dev.knative.apiserver.resource."
PING: Final = "dev.knative.sources.ping"
REFERENCES: Final = tuple(f"{REFERENCE}{change}" for change in ("add", "update", "delete"))

# What a PushSecret may have as its source; they have one namespace of names here (events.references.SecretRef).
_SOURCES = frozenset(("Secret", "ConfigMap", "Service"))
_PING_SOURCE = re.compile(r"(?:.*/)?pingsources/(?:lockstep-)?([a-z][-a-z0-9]{0,62})")
_STATE = re.compile(r"[\x21-\x7e]{1,256}")
_CARRIED = frozenset(("traceparent", "tracestate", "knativebrokerttl"))
_LONGEST = 64 * 1024  # bytes of data; a reference has some hundred


class CarriedValuesError(EventError):
    """An event that holds an object as a whole, with its values: nothing of it may be kept or shown."""


def translate(wire: CloudEvent) -> CloudEvent:
    """The event in ours where it is one of those above; any other event as it is.

    Raises EventError for one that cannot be told in ours; CarriedValuesError for ApiServerSource's Resource mode,
    whose data is not even looked at.
    """
    if wire.type.startswith(RESOURCE):
        raise CarriedValuesError(
            f"{wire.type[:80]} carries whole objects, values included; set `mode: Reference` on the ApiServerSource, "
            "and treat what passed through its broker as leaked"
        )
    if wire.type.startswith(REFERENCE):
        return _ours(wire, _secret)
    if wire.type == PING:
        return _ours(wire, _tick)
    return wire


def _ours(wire: CloudEvent, said: Callable[[CloudEvent], Event]) -> CloudEvent:
    event = said(wire)
    subject = event.about.subject
    extensions = {name: value for name, value in wire.extensions.items() if name in _CARRIED}
    extensions |= {"partitionkey": subject} | ({"lockstepbegan": wire.time} if wire.time else {})
    return CloudEvent(
        id=wire.id, source=wire.source, type=event.TYPE, subject=subject, time=wire.time,
        datacontenttype="application/json",
        extensions=MappingProxyType(extensions), data=event.model_dump_json().encode(),
    )  # fmt: skip


def _secret(wire: CloudEvent) -> Event:
    """secret.changed or secret.removed of an ApiServerSource's reference: `{kind, namespace, name, apiVersion}`.

    It tells neither uid nor resourceVersion: its own id, which is made anew for each, is the state that was seen.
    """
    if wire.type not in REFERENCES:
        raise EventError(f"type of {REFERENCE}* is add, update or delete")
    told = _object(wire)
    if told.get("kind") not in _SOURCES or told.get("apiVersion") != "v1":
        raise EventError(f"{REFERENCE}* is taken about Secrets, ConfigMaps and Services only; narrow spec.resources")
    try:
        ref = SecretRef(namespace=told.get("namespace", ""), name=told.get("name", ""))
    except ValidationError:  # its text quotes what it refuses
        raise EventError(
            f"data of {REFERENCE}* names no object: its namespace or name is none of Kubernetes'"
        ) from None
    seen = f"event-{wire.id}"
    if not _STATE.fullmatch(seen):
        raise EventError("id must be printable ASCII characters without spaces, 250 at most")
    if wire.type.endswith(".delete"):
        return SecretRemoved(secret=ref, seen=seen)
    return SecretChanged(secret=ref, seen=seen)


def _tick(wire: CloudEvent) -> ScheduleTicked:
    """schedule.ticked of a PingSource called as the schedule (`sweep`, or `lockstep-sweep`).

    Its data may be a JSON object that says more: `schedule`, `shard`, `shards`.
    """
    told = _object(wire) if wire.data else {}
    if told.keys() - {"schedule", "shard", "shards"}:
        raise EventError(f"data of {PING} may say schedule, shard and shards, and no more")
    named = _PING_SOURCE.fullmatch(wire.source)
    schedule = told.get("schedule") or (named[1] if named else "")
    if wire.time is None:
        raise EventError(f"{PING} has no time; a tick says when it came due")
    members = {"schedule": {"name": schedule}, "at": wire.time, "shard": told.get("shard", 0)}
    try:
        # As JSON and strictly, as whatever comes from outside: "3" is no number.
        ticked = ScheduleTicked.model_validate_json(compact(members | {"shards": told.get("shards", 1)}), strict=True)
    except ValidationError:
        raise EventError(
            f"{PING} names no schedule: call the PingSource as one (`sweep`), "
            'or say {"schedule": "sweep", "shard": 0, "shards": 1} in its data'
        ) from None
    if ticked.shard >= ticked.shards:
        raise EventError(f"data of {PING}: shard is less than shards")
    return ticked


def _object(wire: CloudEvent) -> dict[str, Any]:
    data = wire.data or b"{}"
    if len(data) > _LONGEST:
        raise EventError(f"data of {wire.type[:80]} is larger than {_LONGEST} bytes")
    told = parse(data)
    if not isinstance(told, dict):
        raise EventError(f"data of {wire.type[:80]} is no JSON object")
    return told
