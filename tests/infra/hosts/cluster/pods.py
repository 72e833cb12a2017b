"""A cluster and an authority set up by what `lockstep manifests` renders, and its pods as processes of this machine.

Pods never run in the test cluster. A process gets the variables of its rendered container; only what a kubelet would
mount or route is somewhere else: addresses, and files that hold the tokens of the pod's own ServiceAccount.
"""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from events.cloudevent import CloudEvent
from events.http_binding import encode_binary
from events.references import PathRef
from infra.deploy.manifests.installation import Installation, Target
from infra.deploy.vault_roles import AUDIENCE
from infra.hosts.installing import KnownWiring
from infra.testbed.cluster import Cluster
from tests.infra.deploy.manifests import kit
from tests.infra.deploy.manifests.at_authority import follow, reviewer
from tests.infra.hosts.served import Served
from tests.instance import external_secret, push_secret, store, wait_for
from tests.openbao import OpenBao
from tests.unix_http import Response

ROOT = Path(__file__).resolve().parents[4]
_PLURALS = {
    "ClusterSecretStore": "clustersecretstores", "PushSecret": "pushsecrets", "ExternalSecret": "externalsecrets",
    "Rotation": "rotations",
}  # fmt: skip
_READY = re.compile(r"^lockstep (?:.*ready on port (\d+)$|ready: ingress)", re.MULTILINE)
_PROGRAMS = {"python": sys.executable, "lockstep": str(Path(sys.executable).with_name("lockstep"))}


def manifests(openbao: OpenBao, path: str) -> list[dict[str, Any]]:
    """`producer/source` goes to `path`, and from there to `consumer/target`; what is beside `path` is rotated."""
    ours = store(server=openbao.settings.address)
    ours["spec"]["controller"] = "lockstep"
    return [
        dict(ours),
        dict(push_secret("pushed", "producer/source", path)),
        dict(external_secret("consumer/target", path)),
        {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
            "metadata": {"name": "rotated", "namespace": "consumer"},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"}, "remoteKey": f"{path}-rotated", "strategy": "single",
                "target": {"name": "orders", "account": "orders"},
            },
        },
    ]  # fmt: skip


@dataclass
class Process:
    """A pod's container that runs."""

    child: "subprocess.Popen[bytes]"
    printed: Path
    port: int = 0

    connect = Served.connect

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        return Served.ask(self, method, target, body, headers)  # type: ignore[arg-type]  # it needs `connect` alone

    def post(self, event: CloudEvent, target: str = "/") -> Response:
        headers, body = encode_binary(event)
        return self.ask("POST", target, body, dict(headers))

    def deliver(self, event: CloudEvent) -> Response:
        """As a broker does: an event that is to be retried is sent again, for a while."""
        answer = self.post(event)
        end = time.monotonic() + 60
        while answer.status == 503 and time.monotonic() < end:
            time.sleep(0.1)
            answer = self.post(event)
        return answer

    def output(self) -> str:
        return self.printed.read_text(errors="replace")


@dataclass
class Pods:
    """`rendered` is applied to the cluster and the authority; `running` starts what it describes."""

    cluster: Cluster
    openbao: OpenBao
    folder: Path
    path: PathRef
    known: KnownWiring
    rendered: dict[str, str]

    def secret(self, namespace: str, name: str, **data: str) -> None:
        """Make a Secret, as its owner does."""
        body = {"metadata": {"name": name}, "stringData": data}
        self.cluster.admin.post(f"/api/v1/namespaces/{namespace}/secrets", body)

    def container(self, kind: str, name: str) -> dict[str, Any]:
        """The rendered container of a workload."""
        found = next(
            one for one in kit.documents(self.rendered) if (one["kind"], one["metadata"]["name"]) == (kind, name)
        )
        containers: list[dict[str, Any]] = found["spec"]["template"]["spec"]["containers"]
        return containers[0]

    def variables(self, kind: str, name: str) -> dict[str, str]:
        """The container's variables, with this machine's places."""
        given = {each["name"]: each["value"] for each in self.container(kind, name)["env"]}
        home = self.folder / name
        home.mkdir(exist_ok=True)
        settings = home / "lockstep.yaml"
        (document,) = (one for one in kit.documents(self.rendered) if one["metadata"]["name"] == "lockstep-settings")
        settings.write_text(document["data"]["lockstep.yaml"])
        here = {"LISTEN_ADDRESS": "0.0.0.0:0", "LOCKSTEP_SETTINGS": str(settings)}
        if "LOCKSTEP_CONTEXT" in given:
            here |= {"LOCKSTEP_CONTEXT": "pod", "KUBECONFIG": str(self._kubeconfig(home, name))}
        if "BAO_ADDR" in given:
            token = home / "authority-token"
            token.write_text(self.cluster.service_account_token("lockstep", name, [AUDIENCE], 600))
            here |= {"BAO_ADDR": self.openbao.settings.address, "BAO_K8S_TOKEN_FILE": str(token)}
        if "LOCKSTEP_ROOT" in given:
            (home / "data").mkdir(exist_ok=True)
            here["LOCKSTEP_ROOT"] = str(home / "data")
        return given | here

    @contextmanager
    def running(self, kind: str, name: str, **more: str) -> Iterator[Process]:
        """The workload's process, until the block is left; it is ready."""
        keep = {each: os.environ[each] for each in ("PATH", "LANG", "TMPDIR") if each in os.environ}
        variables = {**keep, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **self.variables(kind, name), **more}
        printed = self.folder / f"{name}.output"
        program, *command = self.container(kind, name)["command"]
        command = ["127.0.0.1:0" if word == "127.0.0.1:8081" else word for word in command]
        with printed.open("wb") as stream:
            child = subprocess.Popen(
                [_PROGRAMS[program], *command], env=variables, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream,
                stderr=stream,
            )  # fmt: skip
        process = Process(child, printed)
        try:
            wait_for(lambda: _READY.search(process.output()) or child.poll() is not None, f"{name} to be ready", 60)
            found = _READY.search(process.output())
            assert found, process.output()
            process.port = int(found[1] or variables["LISTEN_ADDRESS"].rpartition(":")[2])
            yield process
        finally:
            child.kill()
            child.wait(30)

    def _kubeconfig(self, home: Path, account: str) -> Path:
        """As kubectl would have it in the pod: the projected token is a file, which is read again when it changes."""
        token, config = home / "cluster-token", home / "kubeconfig"
        token.write_text(self.cluster.service_account_token("lockstep", account))
        server = {"server": self.cluster.server, "certificate-authority": str(self.cluster.ca)}
        config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "contexts": [{"name": "pod", "context": {"cluster": "here", "user": "own", "namespace": "lockstep"}}],
            "users": [{"name": "own", "user": {"tokenFile": str(token)}}],
            "clusters": [{"name": "here", "cluster": server}],
        }))  # fmt: skip
        return config


def set_up(
    cluster: Cluster, openbao: OpenBao, folder: Path, target: Target = "knative", settings: str = ""
) -> Pods:  # fmt: skip
    """Namespaces, accounts, RBAC and settings in the cluster, roles and policies at the authority, then the wiring.

    `settings` is the text of lockstep.yaml.
    """
    path = openbao.path(f"pods-{uuid.uuid4().hex[:8]}")  # claims outlive a cluster
    openbao.forget("rotations", "tombstones")  # these pods may not touch all that other tests left
    wanted = manifests(openbao, path.path)
    known = kit.wiring(folder / "wiring", wanted)
    assert not known.left_out, known.left_out
    rendered = kit.files(known, Installation(target=target, settings=settings))
    for namespace in ("producer", "consumer"):
        kit.ensure_namespace(cluster, namespace)
    first = ("00-namespace.yaml", "10-accounts.yaml", "11-permissions.yaml", "30-settings.yaml")
    kit.apply(cluster, kit.documents({name: rendered[name] for name in first}))
    follow(openbao, rendered, reviewer(cluster))
    for each in wanted:
        metadata = each["metadata"]
        space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        place = f"/apis/{each['apiVersion']}{space}/{_PLURALS[each['kind']]}/{metadata['name']}"
        cluster.admin.apply(place, each, "test")
    return Pods(cluster, openbao, folder, path, known, rendered)
