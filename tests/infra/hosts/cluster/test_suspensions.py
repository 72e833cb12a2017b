"""What annotations and the ConfigMap stop, and how it is released."""

from collections.abc import Iterator

import pytest

from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import Reject, Unavailable
from infra.hosts.cluster.config_map import config_map_feed
from infra.hosts.cluster.suspensions import NAME, SUSPEND, ClusterSuspensions, SuspensionWriter
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from tests.eso import apply, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import DEADLINE, ready, until

PATH = PathRef(mount="secret", path="platform-data/postgres/orders")


@pytest.fixture
def suspensions(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring, api: Api
) -> Iterator[ClusterSuspensions]:
    """The ConfigMap is one of the test's own namespace here."""
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, push_body(namespace, store_name))
    made = ClusterSuspensions(config_map_feed(api, NAME, namespace), ready(wiring), SuspensionWriter(api, namespace))
    yield made
    made.followed.stop()


def followed(suspensions: ClusterSuspensions) -> ClusterSuspensions:
    suspensions.followed.start()
    assert suspensions.followed.wait_ready(DEADLINE)
    return suspensions


def config_map(namespace: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": namespace}, "data": data}


def at(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"


def test_nothing_is_written_until_it_is_known_what_is_stopped(suspensions: ClusterSuspensions) -> None:
    with pytest.raises(Unavailable, match=NAME):
        suspensions.reason(PATH)


def test_a_manifest(
    suspensions: ClusterSuspensions, eso_cluster: Cluster, namespace: str, wiring: ClusterWiring
) -> None:
    followed(suspensions)
    ref = ManifestRef(kind="PushSecret", namespace=namespace, name="push")
    assert suspensions.reason(ref, PATH) is None
    body = push_body(namespace, "x")
    eso_cluster.admin.patch(place(body), {"metadata": {"annotations": {SUSPEND: "an incident"}}})
    until(lambda: wiring.reload() and suspensions.reason(ref))
    assert suspensions.reason(PATH, ref) == f"an incident (scope {namespace}/push)"
    assert suspensions.reason(PATH) is None
    assert f"{namespace}/push" in [one.scope for one in suspensions.all()]
    eso_cluster.admin.patch(place(body), {"metadata": {"annotations": {SUSPEND: None}}})
    until(lambda: wiring.reload() and suspensions.reason(ref) is None)


def test_a_namespace(suspensions: ClusterSuspensions, eso_cluster: Cluster, namespace: str) -> None:
    followed(suspensions)
    secret = SecretRef(namespace=namespace, name="any")
    annotate = {"metadata": {"annotations": {SUSPEND: "a freeze"}}}
    eso_cluster.admin.patch(f"/api/v1/namespaces/{namespace}", annotate)
    until(lambda: suspensions.reason(secret) == f"a freeze (scope {namespace})")
    assert suspensions.reason(SecretRef(namespace="default", name="any")) is None


def test_everything_and_single_scopes(suspensions: ClusterSuspensions, eso_cluster: Cluster, namespace: str) -> None:
    followed(suspensions)
    secret = SecretRef(namespace="default", name="db")
    scopes = f'{{"{PATH}": moved, default/db: held}}'
    eso_cluster.admin.apply(at(namespace), config_map(namespace, scopes=scopes), "test")
    until(lambda: suspensions.reason(PATH) == f"moved (scope {PATH})")
    assert suspensions.reason(secret) == "held (scope default/db)"
    assert suspensions.reason(SecretRef(namespace="default", name="other")) is None
    eso_cluster.admin.apply(at(namespace), config_map(namespace, reason="a freeze"), "test")
    until(lambda: suspensions.reason() == "a freeze (scope *)")
    eso_cluster.admin.delete(at(namespace))
    until(lambda: suspensions.reason(PATH, secret) is None)


def test_what_cannot_be_read_stops_everything(
    suspensions: ClusterSuspensions, eso_cluster: Cluster, namespace: str
) -> None:
    eso_cluster.admin.apply(at(namespace), config_map(namespace, scopes="[1, 2"), "test")
    followed(suspensions)
    assert "cannot be read" in str(suspensions.reason(PATH))


def test_written_with_the_callers_rights(
    suspensions: ClusterSuspensions, eso_cluster: Cluster, namespace: str, api: Api, wiring: ClusterWiring
) -> None:
    followed(suspensions)
    writer = SuspensionWriter(api, namespace)
    ref = ManifestRef(kind="PushSecret", namespace=namespace, name="push")
    scopes = {f"{namespace}/push": ref, namespace: SecretRef(namespace=namespace, name="x"), str(PATH): PATH}
    for scope, reference in scopes.items():
        assert writer.suspend(scope, "an incident") > 0
        until(lambda reference=reference: wiring.reload() is not None and suspensions.reason(reference))  # type: ignore[misc]  # bound now
        assert writer.resume(scope)
        assert writer.resume(scope) is None
        until(lambda reference=reference: wiring.reload() is not None and not suspensions.reason(reference))  # type: ignore[misc]  # as above
    assert writer.suspend("*", "a freeze") > 0
    until(lambda: suspensions.reason(PATH))
    assert writer.suspend(str(PATH), "both") > 0
    until(lambda: len([one for one in suspensions.all() if one.reason in ("a freeze", "both")]) == 2)
    assert writer.resume("*")
    until(lambda: suspensions.reason() is None)
    assert suspensions.reason(PATH)
    with pytest.raises(Reject, match="nothing called"):
        writer.suspend(f"{namespace}/nobody", "x")
