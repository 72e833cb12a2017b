"""ConfigMaps and Services as sources, and which kind a name means."""

from collections.abc import Iterator
from typing import Any

import pytest

from events.references import SecretRef
from functions._failures import Reject
from functions._manifests.selector import LabelSelector
from functions._ports import Secret, SourceSecrets
from infra.kubernetes.api import Api
from infra.kubernetes.resources import CONFIG_MAPS, SECRETS, SERVICES
from infra.stores.kubernetes.config_maps import ConfigMapSources
from infra.stores.kubernetes.kinds import SourcesOfKinds
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.stores.kubernetes.services import ServiceSources, service_keys
from infra.testbed.cluster import Cluster
from tests.infra.stores.kubernetes_producers import api_for, encoded


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    client = api_for(cluster)
    yield client
    client.close()


def values(secret: Secret | None) -> dict[str, bytes]:
    assert secret is not None
    return {key: value.reveal() for key, value in secret.data.items()}


def test_a_config_map_is_a_source(api: Api, namespace: str) -> None:
    ref, sources = SecretRef(namespace=namespace, name="settings"), ConfigMapSources(api)
    assert (sources.read(ref), sources.head(ref)) == (None, None)
    metadata = {"name": "settings", "labels": {"app": "db"}, "annotations": {"lockstep.dev/owner": "nobody"}}
    body = {"metadata": metadata, "data": {"size": "ü"}, "binaryData": encoded({"raw": b"\x00\xff"})}
    api.create(CONFIG_MAPS, body, namespace)
    found, head = sources.read(ref), sources.head(ref)
    assert values(found) == {"size": "ü".encode(), "raw": b"\x00\xff"}
    assert found
    assert head
    assert (found.state, dict(found.labels), found.owner) == (head.state, {"app": "db"}, "")
    assert (found.stamp, found.managed, found.drifted, found.type) == ({}, frozenset(), False, "Opaque")
    assert sources.select(namespace, LabelSelector(match_labels={"app": "db"})) == (ref,)
    api.patch(CONFIG_MAPS, "settings", {"data": {"size": "2"}}, namespace)
    changed = sources.head(ref)
    assert changed
    assert changed.state != head.state


def test_an_empty_config_map_has_no_keys(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, {"metadata": {"name": "empty"}}, namespace)
    assert values(ConfigMapSources(api).read(SecretRef(namespace=namespace, name="empty"))) == {}


def test_a_service_is_a_source(api: Api, namespace: str) -> None:
    ref, sources = SecretRef(namespace=namespace, name="db"), ServiceSources(api)
    assert (sources.read(ref), sources.head(ref)) == (None, None)
    ports = [{"name": "sql", "port": 5432}, {"name": "metrics", "port": 9187}]
    api.create(SERVICES, {"metadata": {"name": "db", "labels": {"app": "db"}}, "spec": {"ports": ports}}, namespace)
    found, head = sources.read(ref), sources.head(ref)
    assert values(found) == {
        "host": f"db.{namespace}.svc".encode(), "port": b"5432", "ports": b"5432,9187", "port-sql": b"5432",
        "port-metrics": b"9187",
    }  # fmt: skip
    assert found
    assert head
    assert found.state == head.state
    assert sources.select(namespace, LabelSelector(match_labels={"app": "db"})) == (ref,)


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        ({"type": "ExternalName", "externalName": "db.example.com"}, {"host": b"db.example.com"}),
        ({"clusterIP": "None"}, {"host": b"db.data.svc"}),
        ({"ports": [{"port": 80}]}, {"host": b"db.data.svc", "port": b"80", "ports": b"80"}),
        ({}, {"host": b"db.data.svc"}),
    ],
)
def test_services_of_every_shape(spec: dict[str, Any], keys: dict[str, bytes]) -> None:
    found = service_keys(SecretRef(namespace="data", name="db"), {"spec": spec})
    assert {key: value.reveal() for key, value in found.items()} == keys


def test_the_wiring_says_which_kind_a_name_means(api: Api, namespace: str) -> None:
    ref = SecretRef(namespace=namespace, name="same")
    api.create(CONFIG_MAPS, {"metadata": {"name": "same"}, "data": {"from": "config map"}}, namespace)
    api.create(SECRETS, {"metadata": {"name": "same"}, "data": encoded({"from": b"secret"})}, namespace)
    secrets = KubernetesSecrets(api, lambda _: None)
    readers: dict[str, SourceSecrets] = {"Secret": secrets, "ConfigMap": ConfigMapSources(api)}
    meant = {"kind": "ConfigMap"}
    sources = SourcesOfKinds(readers, lambda _: meant["kind"])
    assert values(sources.read(ref)) == {"from": b"config map"}
    head = sources.head(ref)
    meant["kind"] = "Secret"
    assert values(sources.read(ref)) == {"from": b"secret"}
    assert sources.head(ref) != head
    assert sources.select(namespace, LabelSelector()) == (ref,)
    meant["kind"] = "Pod"
    with pytest.raises(Reject, match=r"'Pod' cannot be a source; lockstep\.dev/source-kind takes ConfigMap, Secret"):
        sources.read(ref)
