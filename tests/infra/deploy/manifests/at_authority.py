"""What the authority's owner does with the rendered files, and what one outside the cluster is told besides."""

import json
from typing import Any

from infra.testbed.cluster import Cluster
from tests.infra.deploy.manifests import kit
from tests.openbao import OpenBao

REVIEWER = "openbao-reviewer"
MOUNT = "kubernetes"


def follow(openbao: OpenBao, rendered: dict[str, str], reviewer: dict[str, Any]) -> None:
    """Make the requests of apply-order.json; `reviewer` is what an authority outside the cluster is told besides."""
    admin = openbao.admin()
    for request in json.loads(rendered["authority/apply-order.json"]):
        body = dict(request.get("body", {}))
        if "policy" in request:
            body = {"policy": rendered[f"authority/{request['policy']}"]}
        elif "file" in request:
            body = json.loads(rendered[f"authority/{request['file']}"])
        if request["path"] == f"auth/{MOUNT}/config":
            body |= reviewer
        if request.get("once") and exists(openbao, request["path"]):
            continue
        admin.call(request["method"], request["path"], body=body, kind="test")


def exists(openbao: OpenBao, path: str) -> bool:
    collection, _, name = path.rpartition("/")
    known = openbao.admin().call("GET", collection, kind="test").body
    return f"{name}/" in (known.get("data") or known)


def reviewer(cluster: Cluster) -> dict[str, Any]:
    """An account that may have tokens reviewed, and where: what an authority outside the cluster needs."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": REVIEWER, "namespace": "default"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": REVIEWER},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": REVIEWER, "namespace": "default"}],
    }  # fmt: skip
    kit.apply(cluster, [account, binding])
    return {
        "kubernetes_host": cluster.server,
        "kubernetes_ca_cert": cluster.ca.read_text(),
        "token_reviewer_jwt": cluster.service_account_token("default", REVIEWER),
        "disable_local_ca_jwt": True,
    }
