"""Knative's own events, said in ours; what carries values is refused unread."""

import json
from types import MappingProxyType
from typing import Any

import pytest

from events.cloudevent import CloudEvent
from events.envelope import read
from events.errors import EventError
from events.foreign import CarriedValuesError, translate
from events.schedule import ScheduleTicked
from events.secret import SecretChanged, SecretRemoved

CANARY = "canary-7f3a"


def api_server(change: str = "ref.update", **changes: Any) -> CloudEvent:
    told = {"kind": "Secret", "namespace": "orders", "name": "db", "apiVersion": "v1"} | changes
    return CloudEvent(
        id="3f2c7c0e-1b0a-4a57-9d0e-6f2a8f8a6f10", source="https://10.96.0.1:443",
        type=f"dev.knative.apiserver.{change}", subject="/apis/v1/namespaces/orders/secrets/db",
        time="2026-11-22T07:00:00.123456789Z", datacontenttype="application/json",
        extensions=MappingProxyType({
            "kind": "Secret", "apiversion": "v1", "name": "db", "namespace": "orders",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "knativebrokerttl": "254",
        }),
        data=json.dumps(told).encode(),
    )  # fmt: skip


def ping(
    source: str = "/apis/v1/namespaces/lockstep/pingsources/sweep", data: Any = None, **changes: Any
) -> CloudEvent:
    members: dict[str, Any] = {
        "id": "7", "source": source, "type": "dev.knative.sources.ping", "time": "2026-11-22T07:01:00Z",
        "datacontenttype": "application/json", "data": None if data is None else json.dumps(data).encode(),
    }  # fmt: skip
    return CloudEvent(**members | changes)


@pytest.mark.parametrize("change", ["add", "update"])
def test_a_reference_that_came_or_changed(change: str) -> None:
    received = read(api_server(f"ref.{change}"))
    assert isinstance(received.event, SecretChanged)
    assert str(received.event.secret) == "orders/db"
    assert received.id == "3f2c7c0e-1b0a-4a57-9d0e-6f2a8f8a6f10", "a redelivery is the same event"
    assert received.traceparent is not None
    assert received.began is not None


def test_a_reference_that_is_gone() -> None:
    received = read(api_server("ref.delete"))
    assert isinstance(received.event, SecretRemoved)


@pytest.mark.parametrize("kind", ["ConfigMap", "Service"])
def test_other_sources(kind: str) -> None:
    assert isinstance(read(api_server(kind=kind)).event, SecretChanged)


def test_what_else_stands_there_is_left_behind() -> None:
    ours = translate(api_server(data={"password": CANARY}))
    assert CANARY.encode() not in (ours.data or b"")
    assert ours.extensions.keys() == {"traceparent", "knativebrokerttl", "partitionkey", "lockstepbegan"}
    assert ours.subject == "namespaces/orders/secrets/db" == ours.extensions["partitionkey"]
    assert translate(ours) is ours


@pytest.mark.parametrize("change", ["resource.add", "resource.update", "resource.delete", "resource.anything"])
def test_the_resource_mode_is_refused_unread(change: str) -> None:
    event = api_server(change)
    whole = CloudEvent(id=event.id, source=event.source, type=event.type, data=CANARY.encode() + b"{no json")
    with pytest.raises(CarriedValuesError, match="mode: Reference") as refused:
        translate(whole)
    assert CANARY not in str(refused.value)
    with pytest.raises(CarriedValuesError):
        read(whole)


@pytest.mark.parametrize(
    "event",
    [
        api_server("ref.renamed"), api_server(kind="Pod"), api_server(apiVersion="v2"), api_server(namespace="../x"),
        api_server(name=CANARY.upper()), api_server(name=None), api_server(namespace=7),
    ],
)  # fmt: skip
def test_a_reference_to_nothing_of_ours(event: CloudEvent) -> None:
    with pytest.raises(EventError) as refused:
        translate(event)
    assert CANARY not in str(refused.value).lower()


@pytest.mark.parametrize("data", [b"[]", b"7", b"{", b"{}", b'"' + b"x" * 70_000 + b'"', None])
def test_a_reference_without_an_object(data: bytes | None) -> None:
    event = api_server()
    with pytest.raises(EventError):
        translate(CloudEvent(id=event.id, source=event.source, type=event.type, data=data))


def test_a_tick() -> None:
    received = read(ping())
    assert isinstance(received.event, ScheduleTicked)
    assert received.event.schedule.name == "sweep"
    assert (received.event.shard, received.event.shards) == (0, 1)
    assert received.event.at.isoformat() == "2026-11-22T07:01:00+00:00"


@pytest.mark.parametrize(
    ("source", "data", "name", "shard"),
    [
        ("/apis/v1/namespaces/lockstep/pingsources/lockstep-anchor", None, "anchor", 0),
        ("/apis/v1/namespaces/x/pingsources/anything", {"schedule": "sweep", "shard": 2, "shards": 4}, "sweep", 2),
        ("/elsewhere", {"schedule": "sweep"}, "sweep", 0),
    ],
)
def test_a_tick_says_of_which_schedule(source: str, data: Any, name: str, shard: int) -> None:
    event = read(ping(source, data)).event
    assert isinstance(event, ScheduleTicked)
    assert (event.schedule.name, event.shard) == (name, shard)


@pytest.mark.parametrize(
    "event",
    [
        ping("/elsewhere"), ping(time=None), ping(data={"schedule": 7}), ping(data={"shard": 4, "shards": 4}),
        ping(data={"shards": "4"}), ping(data={"shards": True}), ping(data={"password": CANARY}), ping(data=[1]),
        ping(time="0001-01-01T00:00:00+23:59"),
    ],
)  # fmt: skip
def test_no_tick(event: CloudEvent) -> None:
    with pytest.raises(EventError) as refused:
        translate(event)
    assert CANARY not in str(refused.value)


def test_other_events_stay_as_they_are() -> None:
    event = CloudEvent(id="1", source="/x", type="com.example.thing")
    assert translate(event) is event
