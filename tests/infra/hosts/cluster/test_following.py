"""Manifests, then what they wire, then orders: told in the order in which a step can use them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from events.claim import ClaimRequested, ClaimTaken
from events.event import Event
from events.secret import SecretChanged
from events.wiring import WiringChanged
from infra.hosts.cluster.following import ClusterFollowing, source_feeds
from infra.hosts.cluster.memory import RememberedManifests
from infra.hosts.cluster.orders import ADOPT, AnnotatedOrders
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.status import StatusWriter
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.local.feeds import WiringFeed
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring, cluster_feeds
from tests.eso import apply, external_body, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import DEADLINE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """A broker's place, of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.events: list[Event] = []
        self.refuse = 0
        self._namespace = namespace
        self._turn = threading.Condition()

    def __call__(self, event: Event) -> None:
        self.all((event,))

    def all(self, events: Iterable[Event]) -> None:
        with self._turn:
            if self.refuse:
                self.refuse -= 1
                raise RuntimeError("the broker is full")
            self.events += [event for event in events if self._namespace in event.about.subject or _wanted(event)]
            self._turn.notify_all()

    def until(self, condition: Callable[[list[Event]], object]) -> None:
        with self._turn:
            assert self._turn.wait_for(lambda: bool(condition(self.events)), DEADLINE), self.events

    def wiring(self, name: str) -> list[WiringChanged]:
        return [one for one in self.events if isinstance(one, WiringChanged) and one.manifest.name == name]


def _wanted(event: Event) -> bool:
    return isinstance(event, ClaimTaken)


@pytest.fixture
def told(namespace: str) -> Told:
    return Told(namespace)


@pytest.fixture
def following(eso_cluster: Cluster, told: Told, api: Api) -> Iterator[ClusterFollowing]:
    wiring = ClusterWiring(cluster_feeds(api), changed=lambda: made.ring())  # noqa: PLW0108 - made below
    statuses = Statuses(wiring, api)
    status = StatusWriter(wiring, statuses)
    made = ClusterFollowing(
        wiring,
        WiringFeed(wiring, RememberedManifests(), bind=lambda _: None, tell=told),
        WiredObjects(wiring, ClusterPublications(wiring, statuses)),
        source_feeds(api),
        told,
        orders=AnnotatedOrders(wiring, told, now=lambda: NOW, lifetime=900),
        status=status,
    )
    wiring.start()
    status.start()
    yield made
    made.stop()
    status.stop()
    wiring.stop()


def secret(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    cluster.admin.apply(
        f"/api/v1/namespaces/{namespace}/secrets/{name}", {**body, "stringData": {"password": value}}, "t"
    )


def test_from_the_first_manifest_to_the_last(
    following: ClusterFollowing, told: Told, eso_cluster: Cluster, namespace: str, store_name: str
) -> None:
    path = f"secret/platform-data/postgres/{namespace}"
    told.refuse = 2
    watches = following.start()
    assert all(watch.alive() and watch.mode == "watch" for watch in watches)
    secret(eso_cluster, namespace, "source", "1")
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, push_body(namespace, store_name, annotations={ADOPT: f"{path}@0"}))
    told.until(lambda events: told.wiring("push"))
    told.until(lambda events: [one for one in events if isinstance(one, SecretChanged)])
    told.until(lambda events: [one for one in events if isinstance(one, ClaimRequested)])
    wired = [type(one) for one in told.events]
    assert wired.index(WiringChanged) < wired.index(ClaimRequested), "first what it is, then what is to be done"
    eso_cluster.admin.delete(place(push_body(namespace, store_name)))
    told.until(lambda events: told.wiring("push")[-1].change == "removed")
    assert [str(one) for one in told.wiring("push")[-1].paths] == [path]


def test_what_others_serve_is_nothing_to_retract(
    following: ClusterFollowing, told: Told, eso_cluster: Cluster, namespace: str, store_name: str
) -> None:
    following.start()
    apply(eso_cluster, store_body(store_name, controller=""))
    apply(eso_cluster, external_body(namespace, store_name, "platform-data/a/b"))
    told.until(lambda events: told.wiring("pull"))
    eso_cluster.admin.delete(place(external_body(namespace, store_name, "x")))
    told.until(lambda events: told.wiring("pull")[-1].change == "removed")
    assert told.wiring("pull")[-1].secrets == ()
    assert following.watch.errors() == {}


def test_a_store_that_becomes_ours_is_a_change_of_what_it_serves(
    following: ClusterFollowing, told: Told, eso_cluster: Cluster, namespace: str, store_name: str
) -> None:
    following.start()
    apply(eso_cluster, store_body(store_name, controller=""))
    apply(eso_cluster, push_body(namespace, store_name))
    told.until(lambda events: told.wiring("push"))
    secret(eso_cluster, namespace, "source", "1")
    apply(eso_cluster, store_body(store_name))
    told.until(lambda events: [one.change for one in told.wiring("push")][-1:] == ["changed"])
    told.until(lambda events: [one for one in events if isinstance(one, SecretChanged)])
    before = len(told.wiring("push"))
    apply(eso_cluster, store_body(store_name, controller=""))
    told.until(lambda events: len(told.wiring("push")) > before)
    assert told.wiring("push")[-1].change == "changed", "left alone, and nothing is removed"
