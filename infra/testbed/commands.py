"""The command lines of the three servers, and where each keeps its files."""

import socket
from dataclasses import dataclass
from pathlib import Path

from infra.testbed.binaries import Binaries

LOOPBACK = "127.0.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
# What exists without nodes: everything that reacts to objects. "-" would switch one off; the rest needs nodes, clouds
# or volumes and would only cost memory.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
)


@dataclass(frozen=True)
class Ports:
    etcd: int
    peers: int
    api: int


@dataclass(frozen=True)
class Layout:
    """The files of one cluster, all in one directory that goes with it."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """kube-apiserver's own, self-made; the signer follows it in the same file."""
        return self.directory / "certificates" / "apiserver.crt"

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def signing_key(self) -> Path:
        return self.directory / "service-accounts.key"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens.csv"

    @property
    def admin_token(self) -> Path:
        return self.directory / "admin.token"

    @property
    def manager_kubeconfig(self) -> Path:
        return self.directory / "controller-manager.kubeconfig"

    def log(self, program: str) -> Path:
        return self.directory / f"{program}.log"


def free_ports() -> Ports:
    """Three ports that nobody has right now; whoever starts a server on one tries again when somebody was faster."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third:
        for one in (first, second, third):
            one.bind((LOOPBACK, 0))
        return Ports(first.getsockname()[1], second.getsockname()[1], third.getsockname()[1])


def etcd(binaries: Binaries, layout: Layout, ports: Ports) -> list[str]:
    clients, peers = f"http://{LOOPBACK}:{ports.etcd}", f"http://{LOOPBACK}:{ports.peers}"
    return [
        str(binaries.etcd),
        "--name=testbed",
        f"--data-dir={layout.directory / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=testbed={peers}",
        "--unsafe-no-fsync",  # it lives no longer than its tests
        "--log-level=warn",
    ]


def kube_apiserver(binaries: Binaries, layout: Layout, ports: Ports) -> list[str]:
    return [
        str(binaries.kube_apiserver),
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.api}",
        f"--cert-dir={layout.certificate.parent}",
        "--authorization-mode=Node,RBAC",
        f"--token-auth-file={layout.tokens}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.signing_key}",
        f"--service-account-signing-key-file={layout.signing_key}",
        f"--api-audiences={ISSUER}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def kube_controller_manager(binaries: Binaries, layout: Layout) -> list[str]:
    return [
        str(binaries.kube_controller_manager),
        f"--kubeconfig={layout.manager_kubeconfig}",
        f"--root-ca-file={layout.ca}",
        f"--service-account-private-key-file={layout.signing_key}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]
