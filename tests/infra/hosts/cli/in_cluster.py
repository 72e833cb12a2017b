"""An installation whose manifests and Secrets are in a cluster of its own, as whatever is wired there is served."""

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests import eso
from tests.infra.hosts.cli.commands import CANARY
from tests.instance import Installation, Running, external_secret, push_secret, store, wait_for

STORE = "vault-backend"
PRODUCER, CONSUMER = "platform-data", "temporal"
PATH = "platform-data/postgres/temporal"


def laid_out(root: Path, cluster: Cluster, **environment: str) -> Installation:
    """A ROOT that keeps the state of `lockstep up --context` on this cluster."""
    for namespace in (PRODUCER, CONSUMER, "lockstep"):
        cluster.admin.apply(f"/api/v1/namespaces/{namespace}", {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}
        }, "test")  # fmt: skip
    kubeconfig = cluster.kubeconfig(root.with_name(f"{root.name}.kubeconfig"), token=cluster.admin_token)
    at = Installation(root, {"KUBECONFIG": str(kubeconfig), **environment}, options=("--context", ""))
    at.configure(anchor={"intervalSeconds": 3600}, sweep={"intervalSeconds": 3600}, delivery={"retry": 0})
    return at


def wire(cluster: Cluster, *, controller: str = "lockstep") -> None:
    """One store, one producer, one consumer."""
    hand_over(cluster, controller)
    eso.apply(cluster, dict(push_secret("push", f"{PRODUCER}/source", PATH)))
    eso.apply(cluster, dict(external_secret(f"{CONSUMER}/pg", PATH, target={"name": "pg"})))


def hand_over(cluster: Cluster, controller: str, server: str = "") -> None:
    """Whose the store is: `spec.controller`; `server` where the authority is not the embedded one."""
    made = dict(store(server=server) if server else store())
    made["spec"] = {**made["spec"], **({"controller": controller} if controller else {})}
    cluster.admin.apply(eso.place(made), made, "test")


def wire_at(cluster: Cluster, path: str, server: str) -> None:
    """As External Secrets Operator leaves it: a PushSecret whose status lists the path, and a target that it made."""
    hand_over(cluster, "", server)
    push = eso.apply(cluster, dict(push_secret("push", f"{PRODUCER}/source", path)))
    match = {"secretKey": "password", "remoteRef": {"remoteKey": path, "property": "password"}}
    synced = {f"ClusterSecretStore/{STORE}": {f"{path}/password": {"match": match}}}
    cluster.admin.patch(f"{eso.place(push)}/status", {"status": {"syncedPushSecrets": synced}})
    pull = eso.apply(cluster, dict(external_secret(f"{CONSUMER}/pg", path, target={"name": "pg"})))
    owner = {
        "apiVersion": pull["apiVersion"], "kind": "ExternalSecret", "name": pull["metadata"]["name"],
        "uid": pull["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    labels = {"reconcile.external-secrets.io/managed": "true"}
    put(cluster, CONSUMER, "pg", {"password": f"{CANARY}-1"}, ownerReferences=[owner], labels=labels)


def put(cluster: Cluster, namespace: str, name: str, values: Mapping[str, str], **metadata: Any) -> dict[str, Any]:
    """Apply a Secret, as its producer or another controller does."""
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }  # fmt: skip
    return cluster.admin.apply(f"/api/v1/namespaces/{namespace}/secrets/{name}", body, "producer")


def secret(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    try:
        return cluster.admin.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def values(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    found = secret(cluster, namespace, name) or {}
    return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}


def settled(up: Running, cluster: Cluster) -> None:
    """Wait for the first value to arrive, and for the broker to be done."""
    expected = {"password": f"{CANARY}-1"}
    wait_for(lambda: values(cluster, CONSUMER, "pg") == expected, f"the first value\n{up.output()}")
    up.wait_idle()


def copied(template: Path, root: Path) -> Path:
    shutil.copytree(template, root)
    return root
