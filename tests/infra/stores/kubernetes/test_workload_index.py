"""The index over a real API server: what it finds, and what it tells."""

from collections.abc import Iterator, Sequence

import pytest

from events.consumer import WorkloadChanged, WorkloadRef
from functions._ports import Settings
from functions._values import SecretValue
from functions._workloads import Use
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.workload_index import WorkloadIndex
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.testbed.cluster import Cluster
from tests.infra.stores.kubernetes_workloads import Deployer, wait


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Api]:
    token = StaticToken(SecretValue.of(cluster.admin_token))
    made = Api(ClusterSettings(server=cluster.server, credentials=token, ca_file=str(cluster.ca)))
    yield made
    made.close()


def test_it_finds_and_tells_what_moves(cluster: Cluster, namespace: str, api: Api) -> None:
    told: list[WorkloadRef] = []

    def tell(hints: Sequence[WorkloadChanged]) -> None:
        told.extend(hint.workload for hint in hints)

    index = WorkloadIndex(api, Settings(), tell, namespace=namespace)
    assert index.find(namespace) is None
    deployer = Deployer(cluster.admin, namespace)
    refs = [WorkloadRef(kind=kind, namespace=namespace, name="app") for kind in ("Deployment", "StatefulSet")]
    deployer.make(refs[0], False)
    index.start()
    try:
        wait(lambda: [one.ref for one in index.find(namespace) or ()] == refs[:1], "the first list")
        assert index.find("elsewhere") is None
        deployer.make(refs[1], False)
        wait(lambda: [one.ref for one in index.find(namespace) or ()] == refs, "what the watch tells")
        wait(lambda: set(told) == set(refs), "hints")
        workloads = KubernetesWorkloads(api, index.find)
        assert workloads.list(namespace)[0].uses["by-env"] == frozenset({Use.ENVIRONMENT})
        told.clear()
        deployer.remove(refs[0])
        wait(lambda: [one.ref for one in index.find(namespace) or ()] == refs[1:], "its end")
        wait(lambda: refs[0] in told, "a hint of its end")
        assert index.alive()
    finally:
        index.stop()
    assert not index.alive()


def test_who_does_not_ask_is_not_told_of(cluster: Cluster, namespace: str, api: Api) -> None:
    told: list[WorkloadChanged] = []
    index = WorkloadIndex(api, Settings(), told.extend, namespace=namespace)
    ref = WorkloadRef(kind="Deployment", namespace=namespace, name="app")
    Deployer(cluster.admin, namespace).make(ref, False)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/app"
    cluster.admin.patch(path, {"metadata": {"annotations": {"lockstep.dev/restart": None}}})
    index.start()
    try:
        wait(lambda: bool(index.find(namespace)), "the list")
        cluster.admin.patch(path, {"spec": {"replicas": 3}})
        wait(lambda: (index.find(namespace) or ())[0].status.wanted == 3, "the change")
        assert told == []
    finally:
        index.stop()
