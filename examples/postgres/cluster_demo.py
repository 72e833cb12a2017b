"""`make demo-cluster`: what `make demo` does, on a real API server, with kubectl showing it. No value is printed."""

import subprocess
import tempfile
import time
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import yaml

from examples.postgres.demo import CONSUMERS, ROTATED, SUFFIX, WIRING, Demo
from examples.postgres.program import command, running
from infra.testbed import binaries, crds
from infra.testbed.cluster import Cluster
from infra.testbed.cluster import running as running_cluster
from infra.testbed.failures import ApiError

PRODUCER = "platform-data"
NAMESPACES = (PRODUCER, "temporal", "backstage", "lockstep")
COLUMNS = (
    "KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,"
    "READY:.status.conditions[0].status,REASON:.status.conditions[0].reason"
)
STAMPED = (
    "NAMESPACE:.metadata.namespace,NAME:.metadata.name,OWNER:.metadata.ownerReferences[0].name,"
    r"STAMP:.metadata.annotations.lockstep\.dev/stamp"
)


class ClusterDemo(Demo):
    """One run in one cluster; `root` keeps the state."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        super().__init__(root)
        self.admin = cluster.admin
        self.cluster = cluster

    def lay_out(self) -> None:
        self.cluster.install(crds.find(["external-secrets.io"]))
        for name in NAMESPACES:
            self.admin.post("/api/v1/namespaces", {"metadata": {"name": name}})
        pooler = {"host": "platform-postgres-pooler.platform-data.svc", "port": "5432"}
        self._secret("platform-postgres-pooler", pooler)
        for user in CONSUMERS:
            self._secret(f"{user}.{SUFFIX}", {"username": user, "password": token_urlsafe(24)})
        for file in sorted(WIRING.glob("*.yaml")):
            if file.name in ROTATED:
                continue  # there is no PostgreSQL here; `make demo` has one
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                self._wire(document)

    def rotate(self, user: str) -> int:
        changed = time.time_ns()
        path = f"/api/v1/namespaces/{PRODUCER}/secrets/{user}.{SUFFIX}"
        self.admin.patch(path, {"stringData": {"password": token_urlsafe(24)}})
        return changed

    def content(self, user: str) -> str:
        namespace, name = CONSUMERS[user].split("/")
        try:
            found = self.admin.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except ApiError as failure:
            if failure.status == 404:
                return ""
            raise
        return str(found["metadata"]["resourceVersion"])

    def _secret(self, name: str, data: dict[str, str]) -> None:
        self.admin.post(f"/api/v1/namespaces/{PRODUCER}/secrets", {"metadata": {"name": name}, "stringData": data})

    def _wire(self, document: dict[str, Any]) -> None:
        plural, namespace = f"{document['kind'].lower()}s", document["metadata"].get("namespace")
        if document["kind"] == "ClusterSecretStore":
            document["spec"]["controller"] = "lockstep"  # External Secrets Operator leaves it alone, and we do not
        place = f"namespaces/{namespace}/{plural}" if namespace else plural
        self.admin.post(f"/apis/{document['apiVersion']}/{place}", document)


def kubectl(kubeconfig: Path, *arguments: str) -> None:
    """Show what a user would type, and what kubectl prints."""
    program = binaries.find().kubectl
    print(f"\n$ kubectl {' '.join(arguments)}", flush=True)
    subprocess.run([str(program), "--kubeconfig", str(kubeconfig), *arguments], check=True)  # noqa: S603  kubectl


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockstep-demo-") as place, running_cluster() as cluster:
        root, keys = Path(place) / "root", Path(place) / "keys"
        keys.mkdir(mode=0o700)
        root.mkdir()
        print(f"starting OpenBao, broker and steps beside {cluster.server}", flush=True)
        demo = ClusterDemo(root, cluster)
        demo.lay_out()
        kubeconfig = cluster.kubeconfig(Path(place) / "kubeconfig", token=cluster.admin_token)
        with running(root, keys / "seal.key", "--context", "", "--kubeconfig", str(kubeconfig)):
            demo.run()
            command(root, "status")
            kubectl(kubeconfig, "get", "pushsecrets,externalsecrets", "-A", "-o", f"custom-columns={COLUMNS}")
            managed = ("-l", "app.kubernetes.io/managed-by=lockstep", "-o", f"custom-columns={STAMPED}")
            kubectl(kubeconfig, "get", "secrets", "-A", *managed)
            command(root, "audit", "verify", "--anchor-now")


if __name__ == "__main__":
    main()
