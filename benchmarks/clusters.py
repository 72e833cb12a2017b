"""A test cluster of a benchmark's own: its Secrets, its manifests, and a client whose connections are kept."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.floor_access import FOLDER, Access
from benchmarks.manifests import PRODUCERS, STORE, manifests
from benchmarks.result import Line
from benchmarks.running import Lockstep
from functions._values import SecretValue
from infra.deploy.manifests.definitions import definitions
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.resources import SECRETS, Resource
from infra.kubernetes.settings import ClusterSettings
from infra.testbed import crds
from infra.testbed.cluster import Cluster, running
from infra.testbed.failures import NoBinariesError

FLOOR = "floor-data"  # the namespace of the floor's sources
_NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
_RESOURCES = {
    "PushSecret": Resource("external-secrets.io", "v1alpha1", "pushsecrets", "PushSecret"),
    "ExternalSecret": Resource("external-secrets.io", "v1", "externalsecrets", "ExternalSecret"),
    "ClusterSecretStore": Resource(
        "external-secrets.io", "v1", "clustersecretstores", "ClusterSecretStore", namespaced=False
    ),
}
_HANDS = 4  # threads that prepare, and that make a burst

Body = dict[str, Any]


class BenchCluster:
    """One API server; `api` is the benchmark's own client, as the administrator."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self.server, self.token, self.ca = cluster.server, cluster.admin_token, cluster.ca
        self.kubeconfig = cluster.kubeconfig(directory / "kubeconfig")
        self.api = Api(
            ClusterSettings(
                cluster.server, StaticToken(SecretValue.of(cluster.admin_token)), ca=cluster.ca.read_bytes()
            )
        )

    def lockstep(self, root: Path) -> Lockstep:
        """`lockstep up` in this cluster, not started yet."""
        return Lockstep(root, {"KUBECONFIG": str(self.kubeconfig)}, patience=900.0, arguments=("--context", ""))

    def make_namespaces(self, names: Iterable[str]) -> None:
        for name in names:
            self.api.create(_NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def wire(self, names: Sequence[str], consumers: Sequence[str]) -> None:
        """The store, which is ours, and manifests of these sources with one consumer in each of these namespaces."""
        store = yaml.safe_load(STORE)
        store["spec"]["controller"] = "lockstep"
        documents = [one for name in names for one in yaml.safe_load_all(manifests(name, consumers))]
        self.apply([store, *filter(None, documents)])

    def apply(self, documents: Iterable[Body]) -> None:
        def create(document: Body) -> None:
            self.api.create(_RESOURCES[document["kind"]], document, document["metadata"].get("namespace"))

        side_by_side(create, documents)

    def make_secrets(self, namespace: str, names: Iterable[str]) -> None:
        def create(name: str) -> None:
            metadata = {"name": name, "namespace": namespace}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": _data("first")}
            self.api.create(SECRETS, body, namespace)

        side_by_side(create, names)

    def change(self, namespace: str, name: str, password: str) -> None:
        """Patch a source."""
        self.api.patch(SECRETS, name, {"data": _data(password)}, namespace, metadata_only=True)


def side_by_side(do: Callable[[Any], None], each: Iterable[Any]) -> None:
    """With some threads; raises what the first of them raised."""
    with ThreadPoolExecutor(_HANDS) as hands:
        for done in [hands.submit(do, one) for one in each]:
            done.result()


@contextmanager
def bench_cluster(directory: Path, consumers: Iterable[str]) -> Iterator[BenchCluster]:
    """A cluster with ESO's kinds and ours, and the namespaces of producers and consumers. Raises NoBinariesError."""
    directory.mkdir(parents=True, exist_ok=True)
    with running() as cluster:
        ours = [one for one in definitions() if one["kind"] == "CustomResourceDefinition"]
        cluster.install([*crds.find(["external-secrets.io"]), *ours])  # as an installation has them
        bench = BenchCluster(cluster, directory)
        try:
            bench.make_namespaces([PRODUCERS, FLOOR, "lockstep", *consumers])
            yield bench
        finally:
            bench.api.close()


def unless_missing(what: str, measure: Callable[[], list[Line]]) -> list[Line]:
    """The lines, or one that says that there is no cluster on this machine to measure with."""
    try:
        return measure()
    except NoBinariesError:
        return [Line(what, "", "not measured: no test cluster on this machine (`make testbed`)")]


def floor_configuration(bench: BenchCluster, authority: Access, targets: Sequence[str]) -> dict[str, Any]:
    """What benchmarks.cluster_floor reads."""
    return {
        "server": bench.server, "ca": str(bench.ca), "token": bench.token, "namespace": FLOOR,
        "targets": list(targets),
        "authority": {
            "host": authority.host, "port": authority.port, "token": authority.token.reveal().decode(),
            "folder": FOLDER,
        },
    }  # fmt: skip


def _data(password: str) -> dict[str, str]:
    values = {"username": "owner", "password": password}
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
