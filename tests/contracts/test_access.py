"""One suite for `Access`: the fake, the policy file and the ConfigMap say the same of the same rules."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from events.references import PathRef
from functions._ports import Access
from infra.hosts.cluster.access import NAME, ClusterAccess
from infra.hosts.cluster.config_map import config_map_feed
from infra.testbed.cluster import Cluster
from infra.wiring.access import FileAccess
from tests.eso import client
from tests.fakes.local import FakeAccess

OWN = PathRef(mount="secret", path="platform-data/postgres/orders")
FOREIGN = PathRef(mount="secret", path="platform-data/redis/billing")
NAMESPACES = ("platform-data", "orders")
POLICY = """\
apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
spec:
  namespaces:
    platform-data: {publish: [secret/platform-data/postgres/orders]}
    orders: {read: [secret/platform-data/postgres/orders]}
"""
Make = Callable[[str], Access]


@pytest.fixture(params=["fake", "file", "cluster"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """The port over the policy above, or over none ("")."""
    if request.param == "fake":
        return _fake
    if request.param == "cluster":
        made: Make = request.getfixturevalue("followed")
        return made

    def file(policy: str) -> Access:
        if policy:
            (tmp_path / "access.yaml").write_text(policy)
        return FileAccess(tmp_path / "access.yaml")

    return file


@pytest.fixture
def followed(cluster: Cluster) -> Iterator[Make]:
    """A ConfigMap of a namespace of its own."""
    api = client(cluster)
    namespace = cluster.create_namespace()
    followed: list[ClusterAccess] = []

    def make(policy: str) -> Access:
        if policy:
            body = {"metadata": {"name": NAME}, "data": {NAME: policy}}
            cluster.admin.post(f"/api/v1/namespaces/{namespace}/configmaps", body)
        access = ClusterAccess(config_map_feed(api, NAME, namespace), trusting=True)
        followed.append(access)
        access.followed.start()
        assert access.followed.wait_ready(60)
        return access

    yield make
    for access in followed:
        access.followed.stop()
    api.close()
    cluster.delete_namespace(namespace)


def _fake(policy: str) -> Access:
    if not policy:
        return FakeAccess()
    everything = {(namespace, str(path)) for namespace in NAMESPACES for path in (OWN, FOREIGN)}
    return FakeAccess(
        denied_publish=everything - {("platform-data", str(OWN))}, denied_read=everything - {("orders", str(OWN))}
    )


def test_without_a_policy_everything_is_allowed(make: Make) -> None:
    access = make("")
    for namespace in NAMESPACES:
        assert access.may_publish(namespace, OWN)
        assert access.may_read(namespace, FOREIGN)


@pytest.mark.parametrize(
    ("namespace", "path", "publish", "read"),
    [
        ("platform-data", OWN, True, False),
        ("platform-data", FOREIGN, False, False),
        ("orders", OWN, False, True),
        ("orders", FOREIGN, False, False),
    ],
)
def test_both_ways_are_apart_and_denied_by_default(
    make: Make, namespace: str, path: PathRef, publish: bool, read: bool
) -> None:
    access = make(POLICY)
    assert access.may_publish(namespace, path) is publish
    assert access.may_read(namespace, path) is read
