"""The shared cluster: it answers, refuses, issues tokens, and its controllers work."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from infra.testbed import binaries
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from infra.testbed.recipes import KUBERNETES
from tests.infra.testbed.polling import eventually

pytestmark = pytest.mark.e2e


def secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def account(cluster: Cluster, namespace: str, name: str) -> None:
    cluster.admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})


def test_it_is_the_release_that_was_asked_for(cluster: Cluster, testbed_binaries: binaries.Binaries) -> None:
    version = cluster.admin.get("/version")["gitVersion"]
    if testbed_binaries.kube_apiserver.parent.name == KUBERNETES.folder_name:
        assert version == KUBERNETES.version
    assert version.startswith("v1.")


def test_an_account_may_do_what_a_role_grants_and_nothing_else(cluster: Cluster, namespace: str) -> None:
    account(cluster, namespace, "reader")
    reader = cluster.api(cluster.service_account_token(namespace, "reader"))
    with pytest.raises(ApiError) as refused:
        reader.get(secrets(namespace))
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    cluster.admin.post(f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    cluster.admin.post(
        f"{rbac}/rolebindings",
        {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    )

    def reads() -> bool:
        try:
            return bool(reader.get(secrets(namespace)))
        except ApiError:
            return False

    eventually(reads)
    with pytest.raises(ApiError, match="forbidden"):
        reader.post(secrets(namespace), {"metadata": {"name": "mine"}})
    with pytest.raises(ApiError, match="forbidden"):
        reader.get(secrets("kube-system"))


def test_a_token_is_for_its_account_and_its_audiences(cluster: Cluster, namespace: str) -> None:
    account(cluster, namespace, "publish")
    token = cluster.service_account_token(namespace, "publish", ["openbao"], seconds=600)
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["openbao"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:publish"
    assert claims["exp"] - claims["iat"] == 600
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = cluster.admin.post(reviews, {"spec": {"token": token, "audiences": ["openbao"]}})["status"]
    assert status["authenticated"]
    with pytest.raises(ApiError) as refused:
        cluster.api(token).get("/api")  # it is for another audience than the API server
    assert refused.value.status == 401


def test_there_is_no_token_for_an_account_that_is_not(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(ApiError) as refused:
        cluster.service_account_token(namespace, "nobody")
    assert refused.value.status == 404


def test_the_controllers_make_pods_that_wait_for_a_node(cluster: Cluster, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example.com/web"}]}}
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    cluster.admin.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment)
    eventually(lambda: len(cluster.admin.get(f"/api/v1/namespaces/{namespace}/pods")["items"]) == 2)


def test_what_an_owner_leaves_is_collected(cluster: Cluster, namespace: str) -> None:
    owner = cluster.admin.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.admin.post(secrets(namespace), {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    cluster.admin.delete(f"/api/v1/namespaces/{namespace}/configmaps/owner")
    eventually(lambda: cluster.admin.get(secrets(namespace))["items"] == [])


def test_a_namespace_that_is_deleted_ends(cluster: Cluster) -> None:
    name = cluster.create_namespace()
    cluster.delete_namespace(name)
    everything = "/api/v1/namespaces"
    eventually(lambda: name not in [one["metadata"]["name"] for one in cluster.admin.get(everything)["items"]])


def test_kubectl_finds_it_by_its_kubeconfig(
    cluster: Cluster, namespace: str, testbed_binaries: binaries.Binaries, tmp_path: Path
) -> None:
    if testbed_binaries.kubectl is None:
        pytest.skip("no kubectl beside the servers or on PATH")
    kubeconfig = cluster.kubeconfig(tmp_path / "kubeconfig", namespace=namespace)
    command = [str(testbed_binaries.kubectl), "get", "configmaps", "--output", "name", "--cache-dir", str(tmp_path)]
    environ = {"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}

    def listed() -> bool:
        told = subprocess.run(command, env=environ, capture_output=True, check=True, text=True).stdout
        return told.split() == ["configmap/kube-root-ca.crt"]

    eventually(listed)
