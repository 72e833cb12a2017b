"""A look at Secrets that are followed asks the API server nothing, and says what a request would."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

import pytest

from events.references import SecretRef
from infra.hosts.cluster.following import source_feeds
from infra.hosts.cluster.known import KnownSources, KnownTargets
from infra.hosts.cluster.wired import untouched
from infra.kubernetes.api import Api
from infra.sources.kubernetes_watch import KubernetesWatch, Place
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from tests.infra.hosts.cluster.conftest import DEADLINE, until


class Wires:
    """Two names of one namespace, as sources and as targets."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def places(self) -> Mapping[Place, frozenset[Hashable]]:
        return {("Secret", self.namespace): frozenset({"there", "absent"})}

    def wired(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return kind == "Secret" and ref.name in ("there", "absent")

    def published(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return self.wired(kind, ref, labels)

    def made(self, ref: SecretRef) -> bool:
        return False

    def known(self, ref: SecretRef) -> str | None:
        return None

    def expected(self, kind: str, namespace: str) -> Iterable[SecretRef]:
        return ()


@pytest.fixture
def secrets(api: Api) -> KubernetesSecrets:
    return KubernetesSecrets(api, lambda _: None)


@pytest.fixture
def watch(api: Api, namespace: str, secrets: KubernetesSecrets) -> Iterator[KubernetesWatch]:
    made = KubernetesWatch(
        source_feeds(api), Wires(namespace), lambda _: None, ours=untouched, head=secrets.head_of
    )  # fmt: skip
    yield made
    made.stop()


@pytest.fixture
def put(cluster: Cluster, namespace: str) -> Callable[..., None]:
    def apply(name: str, **labels: str) -> None:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}
        cluster.admin.apply(f"/api/v1/namespaces/{namespace}/secrets/{name}", body, "test")

    return apply


def test_heads_of_what_is_followed_cost_no_request(
    watch: KubernetesWatch, secrets: KubernetesSecrets, namespace: str, put: Callable[..., None],
    calls: list[tuple[str, str]],
) -> None:  # fmt: skip
    put("there", of="one")
    watch.start()
    assert watch.wait_ready(DEADLINE)
    there, absent = (SecretRef(namespace=namespace, name=name) for name in ("there", "absent"))
    sources = KnownSources(secrets, lambda: watch, lambda _: "Secret")
    targets = KnownTargets(secrets, lambda: watch)
    until(lambda: calls.count(("watch", "secrets")) == 1)
    before = list(calls)
    for known in (sources, targets):
        head = known.head(there)
        assert head is not None
        assert head.labels == {"of": "one"}
        assert known.head(absent) is None
    assert calls == before
    assert sources.head(there) == secrets.head(there)


def test_a_change_of_metadata_alone_is_seen_too(
    watch: KubernetesWatch, secrets: KubernetesSecrets, namespace: str, put: Callable[..., None]
) -> None:
    put("there", of="one")
    watch.start()
    assert watch.wait_ready(DEADLINE)
    ref = SecretRef(namespace=namespace, name="there")
    put("there", of="two")
    targets = KnownTargets(secrets, lambda: watch)
    until(lambda: targets.head(ref) == secrets.head(ref))


def test_what_is_not_followed_is_asked_for(
    watch: KubernetesWatch, secrets: KubernetesSecrets, namespace: str, put: Callable[..., None],
    calls: list[tuple[str, str]],
) -> None:  # fmt: skip
    put("there")
    put("unwired")
    there, unwired = (SecretRef(namespace=namespace, name=name) for name in ("there", "unwired"))
    assert KnownTargets(secrets, lambda: None).head(there) == secrets.head(there)
    assert KnownTargets(secrets, lambda: watch).head(there) == secrets.head(there)  # not started
    watch.start()
    assert watch.wait_ready(DEADLINE)
    before = calls.count(("get", "secrets"))
    assert KnownTargets(secrets, lambda: watch).head(unwired) is not None
    assert calls.count(("get", "secrets")) == before + 1
