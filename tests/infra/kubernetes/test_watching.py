"""Watches of a real API server, and how they end."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions._failures import StepFailure, Unavailable
from functions._values import SecretValue
from infra.http.connections import Endpoint
from infra.http.streaming import Stream
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.refusals import Call, NoSuchKind
from infra.kubernetes.resources import CONFIG_MAPS, PUSH_SECRETS, SECRETS, Resource
from infra.kubernetes.watching import Expired, Watch, WatchEvent, watch
from infra.testbed.cluster import Cluster
from tests.infra.http.test_streaming import HEAD, Server, chunk, sending
from tests.infra.stores.kubernetes_producers import api_for

CANARY = "canary-77e0"


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    client = api_for(cluster)
    yield client
    client.close()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"seen": "yes"}},
        "data": data,
    }


def told(event: WatchEvent) -> tuple[str, str]:
    return event.type, event.object["metadata"]["name"]


def test_everything_after_a_list_is_told_in_order(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("before"), namespace)
    position = api.list(CONFIG_MAPS, namespace).resource_version
    with watch(api, CONFIG_MAPS, position, namespace, labels="seen=yes") as opened:
        api.create(CONFIG_MAPS, config_map("a", k="1"), namespace)
        api.patch(CONFIG_MAPS, "a", {"data": {"k": "2"}}, namespace)
        api.delete(CONFIG_MAPS, "a", namespace)
        events = iter(opened)
        seen = [next(events) for _ in range(3)]
    assert [told(event) for event in seen] == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert opened.resource_version == seen[-1].resource_version
    assert seen[1].object["data"] == {"k": "2"}


def test_another_watch_goes_on_where_one_stopped(api: Api, namespace: str) -> None:
    position = api.list(CONFIG_MAPS, namespace).resource_version
    first = watch(api, CONFIG_MAPS, position, namespace, labels="seen")
    api.create(CONFIG_MAPS, config_map("a"), namespace)
    assert told(next(iter(first))) == ("ADDED", "a")
    first.close()
    api.create(CONFIG_MAPS, config_map("b"), namespace)  # nobody watches
    with watch(api, CONFIG_MAPS, first.resource_version, namespace, labels="seen") as second:
        assert told(next(iter(second))) == ("ADDED", "b")


def test_metadata_alone_carries_no_value(api: Api, namespace: str) -> None:
    position = api.list(CONFIG_MAPS, namespace, metadata_only=True).resource_version
    with watch(api, CONFIG_MAPS, position, namespace, labels="seen", metadata_only=True) as opened:
        api.create(CONFIG_MAPS, config_map("a", k=CANARY), namespace)
        event = next(iter(opened))
    assert told(event) == ("ADDED", "a")
    assert CANARY not in str(event.object)


def test_an_event_shows_nothing_of_its_object() -> None:
    assert CANARY not in repr(WatchEvent("ADDED", {"data": CANARY}))


def test_a_watch_ends_quietly_after_its_lifetime_and_has_moved_on(api: Api, namespace: str) -> None:
    position = api.list(SECRETS, namespace).resource_version
    opened = watch(api, SECRETS, position, namespace, lifetime=1.0)
    assert [event.type for event in opened if event.type != "BOOKMARK"] == []
    assert int(opened.resource_version) >= int(position)


def test_closing_from_another_thread_ends_it(api: Api, namespace: str) -> None:
    opened = watch(api, SECRETS, api.list(SECRETS, namespace).resource_version, namespace)
    left = threading.Thread(target=lambda: list(opened))
    left.start()
    opened.close()
    left.join(30)
    assert not left.is_alive()


def test_what_cannot_be_watched_says_why(cluster: Cluster, api: Api, namespace: str) -> None:
    with pytest.raises(NoSuchKind):
        watch(api, replace(PUSH_SECRETS, version="v9"), "1", namespace)
    nobody = api_for(cluster, token="outdated")
    with pytest.raises(Unavailable, match="projected token"):
        watch(nobody, SECRETS, "1", namespace)
    api.create(Resource("", "v1", "serviceaccounts", "ServiceAccount"), {"metadata": {"name": "step"}}, namespace)
    limited = api_for(cluster, token=cluster.service_account_token(namespace, "step"))
    with pytest.raises(Unavailable, match="may not watch secrets"):
        watch(limited, SECRETS, "1", namespace)
    gone = Api(replace(api.settings, server="https://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="cannot reach"):
        watch(gone, SECRETS, "1", namespace)
    unfit = Api(replace(api.settings, credentials=StaticToken(SecretValue.of(f"{CANARY}\n"))))
    with pytest.raises(Unavailable, match="control character"):
        watch(unfit, SECRETS, "1", namespace)


def test_a_dead_connection_and_a_restarted_server_end_it(own_cluster: Cluster) -> None:
    api = api_for(own_cluster)
    position = api.list(SECRETS).resource_version
    broken = watch(api, SECRETS, position)
    silent = watch(api, CONFIG_MAPS, api.list(CONFIG_MAPS).resource_version, labels="seen", silence=0.2)
    own_cluster.pause()
    assert list(silent) == []  # nothing comes, and nothing says so
    own_cluster.resume()
    api.create(SECRETS, {"metadata": {"name": "first"}}, "default")
    events = iter(broken)
    assert told(next(events)) == ("ADDED", "first")
    api.create(SECRETS, {"metadata": {"name": "second"}}, "default")
    own_cluster.restart_apiserver()
    assert [told(event) for event in events if event.type != "BOOKMARK"] in ([], [("ADDED", "second")])
    with pytest.raises(Expired):  # a restarted server remembers nothing from before
        list(watch(api, SECRETS, position))
    with watch(api, SECRETS, api.list(SECRETS).resource_version) as again:
        api.create(SECRETS, {"metadata": {"name": "third"}}, "default")
        assert told(next(iter(again))) == ("ADDED", "third")
    api.close()


# --- what a server may say ----------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def saying(server: Server, line: bytes) -> Watch:
    endpoint: Endpoint = server.saying(sending(HEAD, chunk(line + b"\n"), then=server.open))
    return Watch(Stream(endpoint, "/", {}, 5.0), Call("watch", SECRETS, "temporal"), "7", 10_000)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"CANARY"}}', Expired),
        (b'{"type":"ERROR","object":{"kind":"Status","reason":"Gone","message":"CANARY"}}', Expired),
        (b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"CANARY"}}', Unavailable),
        (b'{"type":"ERROR","object":"CANARY"}', Unavailable),
        (b'{"type":"CANARY","object":{}}', Unavailable),
        (b'{"type":["CANARY"],"object":{}}', Unavailable),
        (b'{"type":"ADDED","object":"CANARY"}', Unavailable),
        (b'{"object":{"CANARY":1}}', Unavailable),
        (b'["CANARY"]', Unavailable),
        (b"CANARY", Unavailable),
    ],
)
def test_errors_within_a_watch_show_no_text_of_it(server: Server, line: bytes, kind: type[Exception]) -> None:
    opened = saying(server, line)
    with pytest.raises((Expired, StepFailure)) as failed:
        list(opened)
    assert isinstance(failed.value, kind)
    assert "CANARY" not in str(failed.value)
    assert opened.resource_version == "7"


def test_a_bookmark_moves_the_position(server: Server) -> None:
    opened = saying(server, b'{"type":"BOOKMARK","object":{"kind":"Secret","metadata":{"resourceVersion":"12"}}}')
    assert next(iter(opened)).type == "BOOKMARK"
    assert opened.resource_version == "12"
    opened.close()
