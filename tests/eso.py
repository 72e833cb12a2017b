"""Pytest plugin: External Secrets Operator's own definitions in the test cluster, and manifests of its kinds."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.testbed import crds
from infra.testbed.cluster import Cluster
from tests.cluster import own_definitions

GROUP = "external-secrets.io"
Body = dict[str, Any]


@pytest.fixture(scope="session")
def eso_definitions() -> tuple[Body, ...]:
    """The definitions; the test is skipped where they are missing."""
    try:
        return crds.find([GROUP])
    except crds.NoDefinitionsError as missing:
        if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def eso_cluster(cluster: Cluster, eso_definitions: tuple[Body, ...]) -> Cluster:
    """The shared cluster, which serves ESO's kinds and ours."""
    cluster.install((*eso_definitions, *own_definitions()))
    return cluster


@pytest.fixture
def store_name(eso_cluster: Cluster) -> Iterator[str]:
    """The name of a ClusterSecretStore that is the test's own; it is removed afterwards if it was made."""
    name = f"store-{uuid.uuid4().hex[:8]}"
    yield name
    eso_cluster.admin.call("DELETE", f"/apis/{GROUP}/v1/clustersecretstores", query={
        "fieldSelector": f"metadata.name={name}"
    })  # fmt: skip


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    """Our own client, as the administrator."""
    made = client(cluster)
    yield made
    made.close()


def client(cluster: Cluster, token: str = "") -> Api:
    """Our own client; whoever makes it closes it."""
    credentials = StaticToken(SecretValue.of(token or cluster.admin_token))
    return Api(ClusterSettings(server=cluster.server, credentials=credentials, ca=cluster.ca.read_bytes()))


def store_body(name: str, *, controller: str = "lockstep", mode: str = "", **spec: Any) -> Body:
    vault = {"server": "http://vault:8200", "path": "secret", "version": "v2"}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name, "annotations": {"lockstep.dev/mode": mode} if mode else {}},
        "spec": {
            "provider": {"vault": vault | {"auth": {"tokenSecretRef": {"name": "t", "key": "t", "namespace": "t"}}}},
            **({"controller": controller} if controller else {}),
            **spec,
        },
    }


def push_body(namespace: str, store: str, *, name: str = "push", path: str = "", **metadata: Any) -> Body:
    remote = {"remoteKey": path or f"platform-data/postgres/{namespace}", "property": "password"}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {
            "secretStoreRefs": [{"name": store, "kind": "ClusterSecretStore"}],
            "selector": {"secret": {"name": "source"}},
            "data": [{"match": {"secretKey": "password", "remoteRef": remote}}],
        },
    }


def external_spec(store: str, path: str) -> Body:
    return {
        "secretStoreRef": {"name": store, "kind": "ClusterSecretStore"},
        "target": {"name": "target"},
        "data": [{"secretKey": "password", "remoteRef": {"key": path, "property": "password"}}],
    }


def external_body(namespace: str, store: str, path: str, *, name: str = "pull", **metadata: Any) -> Body:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": external_spec(store, path),
    }


_PLURALS = {
    "PushSecret": "pushsecrets", "ExternalSecret": "externalsecrets", "ClusterSecretStore": "clustersecretstores",
    "ClusterExternalSecret": "clusterexternalsecrets", "Rotation": "rotations", "RotationTarget": "rotationtargets",
}  # fmt: skip


def place(body: Body) -> str:
    """Where an object of these kinds is at the API server."""
    metadata = body["metadata"]
    space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"/apis/{body['apiVersion']}{space}/{_PLURALS[body['kind']]}/{metadata['name']}"


def apply(cluster: Cluster, body: Body) -> Body:
    """What kubectl apply does."""
    return cluster.admin.apply(place(body), body, "test")
