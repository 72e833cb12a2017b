"""The informer against a real API server, and what happens to it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.backoff import Backoff
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.informing import ApiFeed, Informer
from infra.kubernetes.mirror import Difference, Key, Object
from infra.kubernetes.resources import CONFIG_MAPS, SECRETS, Resource
from infra.kubernetes.settings import ClusterSettings
from infra.kubernetes.watching import Watch
from infra.testbed.cluster import Cluster

DEADLINE = 60.0


def api_of(cluster: Cluster, token: str = "") -> Api:
    credentials = StaticToken(SecretValue.of(token or cluster.admin_token))
    return Api(ClusterSettings(server=cluster.server, credentials=credentials, ca=cluster.ca.read_bytes()))


def keep(found: Object) -> str:
    return "".join(sorted((found.get("data") or {}).values()))


class Followed:
    """What an informer told, as the state that it makes, and how often."""

    def __init__(self) -> None:
        self.state: dict[Key, str] = {}
        self.told: list[tuple[Key, str | None]] = []
        self._turn = threading.Condition()

    def __call__(self, told: tuple[Difference[str], ...]) -> None:
        with self._turn:
            for one in told:
                self.told.append((one.key, one.after))
                if one.after is None:
                    self.state.pop(one.key, None)
                else:
                    self.state[one.key] = one.after
            self._turn.notify_all()

    def until(self, condition: Callable[[dict[Key, str]], bool]) -> None:
        with self._turn:
            assert self._turn.wait_for(lambda: condition(self.state), DEADLINE), "waited in vain"


@pytest.fixture
def follow() -> Iterator[Callable[..., tuple[Informer[str], Followed]]]:
    running: list[tuple[Informer[str], Api]] = []

    def start(
        api: Api, namespace: str, resource: Resource = CONFIG_MAPS, **more: Any
    ) -> tuple[Informer[str], Followed]:
        followed = Followed()
        chosen = {"fields": "metadata.name!=kube-root-ca.crt"} | more
        feed = ApiFeed(api, resource, namespace, **chosen)
        informer = Informer(feed, keep, followed, name="test", backoff=Backoff(longest=0.5))
        running.append((informer, api))
        informer.start()
        return informer, followed

    yield start
    for informer, api in running:
        informer.stop()
        api.close()


Follow = Callable[..., tuple[Informer[str], Followed]]


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def put(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    cluster.admin.apply(
        f"/api/v1/namespaces/{namespace}/configmaps/{name}",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}},
        "test",
    )


def delete(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/{name}")


def test_everything_that_is_there_and_everything_that_happens(cluster: Cluster, namespace: str, follow: Follow) -> None:
    put(cluster, namespace, "a", "1")
    informer, followed = follow(api_of(cluster), namespace)
    assert informer.wait_ready(DEADLINE)
    assert followed.state == {(namespace, "a"): "1"}
    put(cluster, namespace, "a", "2")
    put(cluster, namespace, "b", "1")
    delete(cluster, namespace, "b")
    put(cluster, namespace, "c", "1")
    followed.until(lambda state: (namespace, "c") in state)
    assert followed.told == [
        ((namespace, "a"), "1"), ((namespace, "a"), "2"), ((namespace, "b"), "1"), ((namespace, "b"), None),
        ((namespace, "c"), "1"),
    ]  # fmt: skip


def test_a_list_of_several_pages(cluster: Cluster, namespace: str) -> None:
    for n in range(7):
        put(cluster, namespace, f"c{n}", str(n))
    api = api_of(cluster)
    found, version = api.reduced(CONFIG_MAPS, keep, namespace, fields="metadata.name!=kube-root-ca.crt", page=3)
    api.close()
    assert found == [str(n) for n in range(7)]
    assert int(version) > 0


def test_watches_that_end_every_second_lose_nothing(cluster: Cluster, namespace: str, follow: Follow) -> None:
    calls: list[tuple[str, str]] = []
    api = api_of(cluster)
    api.on_call = lambda verb, kind: calls.append((verb, kind))
    informer, followed = follow(api, namespace, lifetime=1.0)
    assert informer.wait_ready(DEADLINE)
    round_ = 0
    while calls.count(("watch", "configmaps")) < 3:
        put(cluster, namespace, "a", str(round_))
        round_ += 1
        time.sleep(0.05)
    put(cluster, namespace, "a", "last")
    followed.until(lambda state: state.get((namespace, "a")) == "last")
    assert calls.count(("list", "configmaps")) == 1
    assert len(followed.told) == round_ + 1, "every change once"


def test_a_token_without_permission_is_named_with_what_to_apply(
    cluster: Cluster, namespace: str, follow: Follow
) -> None:
    cluster.admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "nobody"}})
    token = cluster.service_account_token(namespace, "nobody")
    informer, followed = follow(api_of(cluster, token), namespace, SECRETS, fields="")
    deadline = time.monotonic() + DEADLINE
    while informer.last_error is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "secrets" in informer.last_error
    assert "list" in informer.last_error
    assert namespace in informer.last_error
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]}]
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.admin.post(f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subject = {"kind": "ServiceAccount", "name": "nobody", "namespace": namespace}
    cluster.admin.post(f"{rbac}/rolebindings", {"metadata": {"name": "r"}, "roleRef": role, "subjects": [subject]})
    assert informer.wait_ready(DEADLINE), "it goes on by itself once it may"
    assert followed.state == {}


def test_an_api_server_that_is_killed_and_comes_back(own_cluster: Cluster, follow: Follow) -> None:
    namespace = own_cluster.create_namespace()
    put(own_cluster, namespace, "a", "1")
    put(own_cluster, namespace, "b", "1")
    informer, followed = follow(api_of(own_cluster), namespace)
    assert informer.wait_ready(DEADLINE)
    own_cluster.restart_apiserver()
    delete(own_cluster, namespace, "a")
    put(own_cluster, namespace, "b", "2")
    followed.until(lambda state: state == {(namespace, "b"): "2"})
    assert followed.told.count(((namespace, "a"), None)) == 1


def test_a_connection_that_is_silently_dead_is_noticed(own_cluster: Cluster, follow: Follow) -> None:
    namespace = own_cluster.create_namespace()
    calls: list[tuple[str, str]] = []
    api = api_of(own_cluster)
    api.on_call = lambda verb, kind: calls.append((verb, kind))
    informer, followed = follow(api, namespace, silence=1.0)
    assert informer.wait_ready(DEADLINE)
    own_cluster.pause()
    try:
        watches = calls.count(("watch", "configmaps"))
        deadline = time.monotonic() + DEADLINE
        while calls.count(("watch", "configmaps")) <= watches:
            assert time.monotonic() < deadline, "the dead connection was not noticed"
            time.sleep(0.01)
    finally:
        own_cluster.resume()
    put(own_cluster, namespace, "a", "after")
    followed.until(lambda state: state == {(namespace, "a"): "after"})


def test_a_position_that_the_server_has_forgotten(own_cluster: Cluster) -> None:
    """As after a long gap: whatever the server still knows, the differences of another list bring the rest."""
    namespace = own_cluster.create_namespace()
    put(own_cluster, namespace, "a", "1")
    own_cluster.restart_apiserver()  # which forgets what was before it
    api = api_of(own_cluster)
    followed = Followed()
    feed = Forgetful(api, CONFIG_MAPS, namespace, fields="metadata.name!=kube-root-ca.crt")
    informer = Informer(feed, keep, followed, name="test", backoff=Backoff(longest=0.5))
    informer.start()
    try:
        assert informer.wait_ready(DEADLINE)
        wait(lambda: feed.lists >= 2)
        put(own_cluster, namespace, "a", "2")
        followed.until(lambda state: state == {(namespace, "a"): "2"})
        assert followed.told == [((namespace, "a"), "1"), ((namespace, "a"), "2")]
    finally:
        informer.stop()
        api.close()


class Forgetful(ApiFeed):
    """Asks for its first watch from the beginning of the cluster's time, which a restarted API server does not know."""

    lists = 0

    def list(self, make: Callable[[Object], Any]) -> tuple[Sequence[Any], str]:
        self.lists += 1
        return super().list(make)

    def watch(self, resource_version: str) -> Watch:
        return super().watch("1" if self.lists == 1 else resource_version)
