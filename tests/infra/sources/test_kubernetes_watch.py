"""Hints about a real cluster's objects: for content that changed, and for nothing else."""

import base64
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from events.event import Event
from events.references import SecretRef
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.hosts.cluster.wired import FIELDS_OF_SECRETS, untouched
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed
from infra.kubernetes.resources import CONFIG_MAPS, SECRETS, SERVICES
from infra.sources.kubernetes_objects import Looking
from infra.sources.kubernetes_watch import KubernetesWatch, Place
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from tests.eso import client

DEADLINE = 60.0
CANARY = "canary-7f3a"
RESOURCES = {"Secret": SECRETS, "ConfigMap": CONFIG_MAPS, "Service": SERVICES}


@dataclass
class Wires:
    """A wiring that a test changes: sources by kind, targets, labels that select, and confirmed states."""

    namespace: str
    sources: dict[str, set[str]] = field(default_factory=lambda: {"Secret": {"source"}})
    targets: set[str] = field(default_factory=set)
    label: str = ""
    states: dict[str, str] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)

    def places(self) -> Mapping[Place, frozenset[Hashable]]:
        found = {(kind, self.namespace): frozenset(names) for kind, names in self.sources.items()}
        secrets = found.get(("Secret", self.namespace), frozenset()) | self.targets | {self.label}
        return {**found, ("Secret", self.namespace): frozenset(secrets)}

    def wired(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return self.published(kind, ref, labels) or (kind == "Secret" and self.made(ref))

    def published(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return ref.name in self.sources.get(kind, ()) or (bool(self.label) and self.label in labels)

    def made(self, ref: SecretRef) -> bool:
        return ref.name in self.targets

    def known(self, ref: SecretRef) -> str | None:
        return self.states.get(ref.name)

    def expected(self, kind: str, namespace: str) -> Iterable[SecretRef]:
        return [SecretRef(namespace=namespace, name=name) for name in sorted(self.confirmed) if kind == "Secret"]


class Heard:
    """Where hints go."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refuse = 0
        self._turn = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._turn:
            if self.refuse:
                self.refuse -= 1
                raise RuntimeError("the broker is full")
            self.events.append(event)
            self._turn.notify_all()

    def all(self, events: Iterable[Event]) -> None:
        for event in events:
            self(event)

    def until(self, count: int) -> list[tuple[str, str]]:
        """The first hints, as (what, about which)."""
        with self._turn:
            assert self._turn.wait_for(lambda: len(self.events) >= count, DEADLINE), self.events
            return [(type(event).__name__, str(event.about).rpartition("/")[2]) for event in self.events[:count]]


@dataclass
class Bench:
    """A namespace, what is wired of it, and what is heard. `mark` gives a hint that ends what a test waits for."""

    cluster: Cluster
    namespace: str
    api: Api
    wires: Wires
    heard: Heard
    watch: KubernetesWatch

    def put(self, name: str, value: str, plural: str = "secrets", **metadata: Any) -> dict[str, Any]:
        encoded = base64.b64encode(value.encode()).decode() if plural == "secrets" else value
        body = {"apiVersion": "v1", "kind": "Secret" if plural == "secrets" else "ConfigMap",
                "metadata": {"name": name, **metadata}, "data": {"password": encoded}}  # fmt: skip
        return self.cluster.admin.apply(self.at(name, plural), body, "test")

    def delete(self, name: str) -> None:
        self.cluster.admin.delete(self.at(name))

    def at(self, name: str, plural: str = "secrets") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}/{name}"

    def start(self) -> None:
        self.watch.start()
        assert self.watch.wait_ready(DEADLINE)

    def seen(self) -> list[str]:
        return [getattr(event, "seen", "") for event in self.heard.events]


@pytest.fixture
def bench(cluster: Cluster, namespace: str) -> Iterator[Bench]:
    api = client(cluster)
    wires, heard = Wires(namespace), Heard()

    def feed(kind: str, space: str) -> ApiFeed:
        return ApiFeed(api, RESOURCES[kind], space, fields=FIELDS_OF_SECRETS if kind == "Secret" else "")

    watch = KubernetesWatch(feed, wires, heard.all, ours=untouched)
    yield Bench(cluster, namespace, api, wires, heard, watch)
    watch.stop()
    assert watch.mode == "stopped"
    api.close()


def state(found: dict[str, Any]) -> str:
    return f"{found['metadata']['uid']}/{found['metadata']['resourceVersion']}"


def test_a_source_that_comes_changes_and_goes(bench: Bench) -> None:
    bench.start()
    first = bench.put("source", "1")
    second = bench.put("source", "2")
    bench.delete("source")
    assert bench.heard.until(3) == [
        ("SecretChanged", "source"), ("SecretChanged", "source"), ("SecretRemoved", "source"),
    ]  # fmt: skip
    assert bench.seen() == [state(first), state(second), f"after-{state(second)}"]
    assert CANARY not in repr(bench.heard.events)


def test_metadata_alone_is_no_news(bench: Bench) -> None:
    bench.put("source", "1")
    bench.start()
    bench.put("source", "1", labels={"a": "b"})
    bench.put("source", "1", annotations={"a": "b"})
    bench.put("source", "2", annotations={"a": "c"})
    assert bench.heard.until(2) == [("SecretChanged", "source")] * 2
    bench.delete("source")
    bench.heard.until(3)
    assert len(bench.heard.events) == 3


def test_what_is_confirmed_already_is_no_news_after_a_restart(bench: Bench) -> None:
    bench.wires.states["source"] = state(bench.put("source", "1"))
    bench.start()
    bench.put("source", "2")
    assert bench.heard.until(1) == [("SecretChanged", "source")]
    assert bench.seen()[0] != bench.wires.states["source"]


def test_a_source_that_vanished_while_nobody_looked(bench: Bench) -> None:
    bench.wires.confirmed = {"source"}
    bench.wires.states["source"] = "uid/7"
    bench.start()
    assert bench.heard.until(1) == [("SecretRemoved", "source")]
    assert bench.seen() == ["after-uid/7"]


def test_deleted_and_made_again_is_another(bench: Bench) -> None:
    bench.put("source", "1")
    bench.start()
    bench.delete("source")
    bench.put("source", "1")
    kinds = [kind for kind, _ in bench.heard.until(3)]
    assert kinds == ["SecretChanged", "SecretRemoved", "SecretChanged"]


def test_of_thousands_only_the_wired_ones_are_held(bench: Bench) -> None:
    for number in range(20):
        bench.put(f"other-{number}", CANARY)
    bench.put("source", "1")
    bench.start()
    bench.heard.until(1)
    (held,) = [one.informer.held() for one in bench.watch._followed.values()]
    assert list(held) == [(bench.namespace, "source")]
    assert CANARY not in repr(held)


def test_our_own_writes_are_no_news_and_those_of_others_are_drift(bench: Bench) -> None:
    bench.wires.targets = {"target"}
    bench.start()
    store = KubernetesSecrets(bench.api, lambda _: None)
    ref = SecretRef(namespace=bench.namespace, name="target")
    content = SecretContent(
        data={"password": SecretValue.of("1")}, stamp={}, owner="ExternalSecret a/b", managed=frozenset({"password"})
    )
    made = store.create(ref, content)
    changed = SecretContent(
        data={"password": SecretValue.of("2")}, stamp={}, owner="ExternalSecret a/b", managed=frozenset({"password"})
    )
    store.update(ref, changed, made)
    bench.cluster.admin.patch(bench.at("target"), {"stringData": {"password": "theirs"}})
    assert bench.heard.until(1) == [("SecretDrifted", "target")]
    bench.delete("target")
    assert bench.heard.until(3)[1:] == [("SecretDrifted", "target"), ("SecretRemoved", "target")]


def test_config_maps_and_services_are_sources_too(bench: Bench) -> None:
    bench.wires.sources = {"ConfigMap": {"settings"}, "Service": {"db"}}
    bench.start()
    bench.put("settings", "1", "configmaps")
    bench.put("source", "1")  # a Secret, which is not wired now
    assert bench.heard.until(1) == [("SecretChanged", "settings")]
    services = f"/api/v1/namespaces/{bench.namespace}/services"
    port = {"name": "pg", "port": 5432}
    bench.cluster.admin.post(services, {"metadata": {"name": "db"}, "spec": {"ports": [port]}})
    bench.heard.until(2)
    bench.cluster.admin.patch(f"{services}/db", {"metadata": {"labels": {"a": "b"}}})
    bench.cluster.admin.patch(f"{services}/db", {"spec": {"ports": [{**port, "port": 5433}]}})
    assert bench.heard.until(3) == [("SecretChanged", "settings"), ("SecretChanged", "db"), ("SecretChanged", "db")]
    bench.put("settings", "2", "configmaps")
    bench.heard.until(4)
    assert len(bench.heard.events) == 4


def test_a_label_that_selects(bench: Bench) -> None:
    bench.wires.label = "publish"
    bench.start()
    bench.put("any", "1")
    bench.put("any", "1", labels={"publish": "yes"})
    assert bench.heard.until(1) == [("SecretChanged", "any")]


def test_what_is_wired_later_is_looked_at_then(bench: Bench) -> None:
    bench.put("later", "1")
    bench.start()
    bench.wires.sources["Secret"].add("later")
    bench.watch.rewire()
    assert bench.heard.until(1) == [("SecretChanged", "later")]
    bench.wires.sources["ConfigMap"] = {"settings"}
    bench.put("settings", "1", "configmaps")
    bench.watch.rewire()
    assert bench.heard.until(2)[1] == ("SecretChanged", "settings")
    del bench.wires.sources["ConfigMap"]
    bench.watch.rewire()
    assert len(bench.watch._followed) == 1


def test_a_hint_that_is_not_taken_is_given_again(bench: Bench) -> None:
    bench.start()
    bench.heard.refuse = 2
    bench.put("source", "1")
    bench.put("source", "2")
    assert bench.heard.until(2) == [("SecretChanged", "source")] * 2


def test_a_place_that_may_not_be_watched_holds_up_no_other(bench: Bench, cluster: Cluster) -> None:
    namespace = bench.namespace
    cluster.admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "watcher"}})
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]
    cluster.admin.post(f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules})
    cluster.admin.post(f"{rbac}/rolebindings", {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "watcher", "namespace": namespace}],
    })  # fmt: skip
    api = client(cluster, cluster.service_account_token(namespace, "watcher"))
    bench.wires.sources["ConfigMap"] = {"settings"}
    watch = KubernetesWatch(
        lambda kind, space: ApiFeed(api, RESOURCES[kind], space), bench.wires, bench.heard.all, ours=untouched
    )
    watch.start()
    try:
        assert watch.wait_ready(DEADLINE)
        bench.put("source", "1")
        assert bench.heard.until(1) == [("SecretChanged", "source")]
        assert list(watch.errors()) == [("ConfigMap", namespace)]
        assert "configmaps" in str(watch.last_error)
        assert watch.alive()
    finally:
        watch.stop()
        api.close()


@pytest.mark.parametrize(
    "other",
    [{"data": {"ab": "c"}}, {"data": {"a": "bd"}}, {"data": {}}, {"type": "kubernetes.io/tls"}, {"data": None}],
)
def test_every_part_of_the_content_counts(other: dict[str, Any]) -> None:
    look = Looking("Secret", lambda ref, labels: True, lambda metadata: False)
    found = {"metadata": {"namespace": "n", "name": "s", "uid": "u"}, "type": "Opaque", "data": {"a": "bc"}}
    first, again, changed = look(found), look(dict(found)), look({**found, **other})
    assert first == again
    assert first != changed


def test_digests_of_two_processes_tell_nothing_of_each_other() -> None:
    found = {"metadata": {"namespace": "n", "name": "s", "uid": "u"}, "data": {"a": "bc"}}
    one, other = (Looking("Secret", lambda ref, labels: True, lambda metadata: False)(found) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.digest != other.digest
    assert "digest" not in repr(one)


def test_a_name_that_no_event_can_carry_is_left_out() -> None:
    look: Callable[[dict[str, Any]], object] = Looking("Secret", lambda ref, labels: True, lambda metadata: False)
    assert look({"metadata": {"namespace": "n", "name": "NOT A NAME"}}) is None
