"""One suite for `Suspensions`: the fake, the local database and the ConfigMap do the same."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef, SecretRef
from functions._ports import Suspensions
from infra.hosts.cluster.config_map import config_map_feed
from infra.hosts.cluster.suspensions import NAME, ClusterSuspensions, SuspensionWriter
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.suspensions import LocalSuspensions, Suspension
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring, cluster_feeds
from tests.eso import client
from tests.fakes.local import FakeSuspensions

SECRET = SecretRef(namespace="orders", name="db")
OTHER = SecretRef(namespace="billing", name="db")
PATH = PathRef(mount="secret", path="platform-data/postgres/orders")
MANIFEST = ManifestRef(kind="PushSecret", namespace="orders", name="push-db")


@dataclass
class Bench:
    suspensions: Suspensions
    suspend: Callable[[SecretRef | PathRef | ManifestRef | None, str], None]  # None: everything
    resume: Callable[[SecretRef | PathRef | ManifestRef | None], None]


@pytest.fixture(params=["fake", "database", "cluster"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield _faked(FakeSuspensions())
        return
    if request.param == "cluster":
        yield request.getfixturevalue("followed")
        return
    database = LocalDatabase(tmp_path / "local.db")
    local = LocalSuspensions(database)

    def suspend(reference: SecretRef | PathRef | ManifestRef | None, reason: str) -> None:
        local.suspend(Suspension(scope(reference), reason, "operator:0", datetime.now(UTC)))

    def resume(reference: SecretRef | PathRef | ManifestRef | None) -> None:
        local.resume(scope(reference))

    yield Bench(local, suspend, resume)
    database.close()


def scope(reference: SecretRef | PathRef | ManifestRef | None) -> str:
    if reference is None:
        return "*"
    return str(reference) if isinstance(reference, PathRef) else f"{reference.namespace}/{reference.name}"


@pytest.fixture
def followed(cluster: Cluster, namespace: str) -> Iterator[Bench]:
    """A ConfigMap of the test's own namespace; each change is awaited, as the watch tells it."""
    api = client(cluster)
    heard = threading.Event()
    wiring = ClusterWiring(cluster_feeds(api))
    suspensions = ClusterSuspensions(
        config_map_feed(api, NAME, namespace), wiring, SuspensionWriter(api, namespace), changed=heard.set
    )
    suspensions.followed.start()
    assert suspensions.followed.wait_ready(60)
    scopes: dict[str, str] = {}

    def put(**changed: str) -> None:
        heard.clear()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": changed}
        cluster.admin.apply(f"/api/v1/namespaces/{namespace}/configmaps/{NAME}", body, "test")
        assert heard.wait(60)

    def suspend(reference: SecretRef | PathRef | ManifestRef | None, reason: str) -> None:
        scopes[scope(reference)] = reason
        put(scopes=json.dumps(scopes))

    def resume(reference: SecretRef | PathRef | ManifestRef | None) -> None:
        del scopes[scope(reference)]
        put(scopes=json.dumps(scopes))

    yield Bench(suspensions, suspend, resume)
    suspensions.followed.stop()
    api.close()


def _faked(fake: FakeSuspensions) -> Bench:
    def suspend(reference: SecretRef | PathRef | ManifestRef | None, reason: str) -> None:
        if reference is None:
            fake.everything = reason
        else:
            fake.subjects[reference.subject] = reason

    def resume(reference: SecretRef | PathRef | ManifestRef | None) -> None:
        if reference is None:
            fake.everything = ""
        else:
            fake.subjects.pop(reference.subject, None)

    return Bench(fake, suspend, resume)


def test_nothing_is_suspended(bench: Bench) -> None:
    assert bench.suspensions.reason(SECRET, PATH, MANIFEST) is None
    assert bench.suspensions.reason() is None


@pytest.mark.parametrize("reference", [SECRET, PATH, MANIFEST], ids=["secret", "path", "manifest"])
def test_one_thing(bench: Bench, reference: SecretRef | PathRef | ManifestRef) -> None:
    bench.suspend(reference, "an incident")
    assert "an incident" in (bench.suspensions.reason(reference) or "")
    assert "an incident" in (bench.suspensions.reason(OTHER, reference) or ""), "any of them is enough"
    assert bench.suspensions.reason(OTHER) is None
    bench.resume(reference)
    assert bench.suspensions.reason(reference) is None


def test_everything(bench: Bench) -> None:
    bench.suspend(None, "a freeze")
    for reference in (SECRET, OTHER, PATH, MANIFEST):
        assert "a freeze" in (bench.suspensions.reason(reference) or "")
    bench.resume(None)
    assert bench.suspensions.reason(SECRET, PATH) is None
