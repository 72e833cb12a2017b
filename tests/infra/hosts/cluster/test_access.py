"""The policy as a ConfigMap: denied until it is known, and never opened by an accident."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.references import PathRef
from functions._failures import Unavailable
from infra.hosts.cluster.access import NAME, ClusterAccess
from infra.hosts.cluster.config_map import config_map_feed
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from tests.infra.hosts.cluster.conftest import DEADLINE, until

OWN = PathRef(mount="secret", path="platform-data/postgres/orders")
OTHER = PathRef(mount="secret", path="platform-data/postgres/billing")
POLICY = """\
apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
spec:
  namespaces:
    orders: {publish: [secret/platform-data/postgres/orders]}
"""


@pytest.fixture
def follow(api: Api, namespace: str) -> Iterator[Callable[..., ClusterAccess]]:
    made: list[ClusterAccess] = []

    def start(*, trusting: bool = False, **more: Any) -> ClusterAccess:
        access = ClusterAccess(config_map_feed(api, NAME, namespace), trusting=trusting, **more)
        made.append(access)
        access.followed.start()
        assert access.followed.wait_ready(DEADLINE)
        return access

    yield start
    for access in made:
        access.followed.stop()


Follow = Callable[..., ClusterAccess]


def put(cluster: Cluster, namespace: str, policy: str, key: str = NAME) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {key: policy}}
    cluster.admin.apply(f"/api/v1/namespaces/{namespace}/configmaps/{NAME}", body, "test")


def remove(cluster: Cluster, namespace: str) -> None:
    cluster.admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/{NAME}")


def test_nothing_is_decided_before_it_was_asked_for(api: Api, namespace: str) -> None:
    access = ClusterAccess(config_map_feed(api, NAME, namespace), trusting=True)
    for ask in (access.may_publish, access.may_read):
        with pytest.raises(Unavailable):
            ask("orders", OWN)


@pytest.mark.parametrize("trusting", [True, False])
def test_without_a_policy(follow: Follow, trusting: bool) -> None:
    access = follow(trusting=trusting)
    assert access.may_publish("orders", OWN) is access.may_read("orders", OWN) is access.open is trusting
    assert (access.problem is None) is trusting


def test_a_policy_that_comes_changes_and_goes(follow: Follow, cluster: Cluster, namespace: str) -> None:
    changes: list[None] = []
    access = follow(trusting=True, changed=lambda: changes.append(None))
    assert len(changes) == 1
    put(cluster, namespace, POLICY)
    until(lambda: not access.open)
    assert access.may_publish("orders", OWN)
    assert not access.may_publish("orders", OTHER)
    assert not access.may_read("orders", OWN)
    put(cluster, namespace, POLICY.replace("orders]", "*]"))
    until(lambda: access.may_publish("orders", OTHER))
    remove(cluster, namespace)
    until(lambda: access.problem)
    assert "stays in force" in str(access.problem)
    assert not access.open
    assert not access.may_read("orders", OWN)
    assert len(changes) == 3


def test_a_policy_that_cannot_be_used(follow: Follow, cluster: Cluster, namespace: str) -> None:
    put(cluster, namespace, "kind: Nothing")
    access = follow(trusting=True)
    assert not access.may_publish("orders", OWN)
    assert "nothing is allowed" in str(access.problem)
    remove(cluster, namespace)
    until(lambda: "gone" in str(access.problem))
    assert not access.open, "somebody meant to have a policy"
    put(cluster, namespace, POLICY)
    until(lambda: access.may_publish("orders", OWN))
    assert access.problem is None
    put(cluster, namespace, POLICY, key="policy.yaml")
    until(lambda: access.problem)
    assert "no key access.yaml" in str(access.problem)
    assert access.may_publish("orders", OWN), "the last good one"


def test_a_first_policy_that_cannot_be_used(follow: Follow, cluster: Cluster, namespace: str) -> None:
    access = follow(trusting=True)
    assert access.may_publish("orders", OWN)
    put(cluster, namespace, "kind: Nothing")
    until(lambda: access.problem)
    assert "until it is mended every wired path is allowed" in str(access.problem)
    assert access.may_publish("orders", OWN), "as it says"
