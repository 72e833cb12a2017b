"""Custom resource definitions: found where they are put, and installed unchanged."""

import uuid
from pathlib import Path

import pytest
import yaml

from infra.testbed import crds
from infra.testbed.api import Object
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError


def definition(group: str) -> Object:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def test_definitions_are_found_by_group_in_the_named_places(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    bundle = [definition("one.example.com"), {"kind": "Namespace"}, definition("two.example.com")]
    (tmp_path / "deep" / "bundle.yaml").write_text(yaml.safe_dump_all(bundle))
    environ = {crds.VARIABLE: str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert crds.find(["two.example.com"], environ) == (definition("two.example.com"),)
    with pytest.raises(crds.NoDefinitionsError, match=r"no definitions of three.example.com.*LOCKSTEP_TESTBED_CRDS"):
        crds.find(["one.example.com", "three.example.com"], environ)


@pytest.mark.e2e
def test_external_secrets_kinds_are_its_own(cluster: Cluster, eso_definitions: tuple[Object, ...]) -> None:
    """Generated from its types, as its project does: nothing stands in for them, so a wrong document is refused."""
    kinds = {one["spec"]["names"]["kind"] for one in eso_definitions}
    assert kinds >= {"PushSecret", "ExternalSecret", "SecretStore", "ClusterSecretStore", "ClusterExternalSecret"}
    cluster.install(eso_definitions)
    path = "/apis/external-secrets.io/v1/namespaces/default/externalsecrets"
    body = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "wrong"}}
    with pytest.raises(ApiError, match="creationPolicy"):
        cluster.admin.post(path, {**body, "spec": {"target": {"creationPolicy": "Nobody"}}})


@pytest.mark.e2e
def test_an_installed_kind_is_served_with_its_schema(cluster: Cluster, namespace: str) -> None:
    group = f"{uuid.uuid4().hex[:8]}.example.com"
    cluster.install([definition(group)])
    cluster.install([definition(group)])  # as every worker does that needs it
    widgets = f"/apis/{group}/v1/namespaces/{namespace}/widgets"
    made = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "mine"}, "spec": {"size": 3}}
    assert cluster.admin.post(widgets, made)["spec"] == {"size": 3}
    with pytest.raises(ApiError, match=r"spec\.size"):
        cluster.admin.post(widgets, {**made, "metadata": {"name": "wrong"}, "spec": {"size": "large"}})
    cluster.admin.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
