"""The steps over a real API server: a change restarts a Deployment there, and its pods prove that it was adopted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from events.consumer import ConsumerAdopted, ConsumerRestarted, ConsumerStuck, WorkloadRef
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.testbed.cluster import Cluster
from tests.fakes.world import World, external_secret, push_secret
from tests.functions.rollouts import PATH, SOURCE
from tests.infra.stores.kubernetes_workloads import Deployer


class Rig:
    """Everything in memory but the workloads; `by-env` is a Secret that they use."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        token = StaticToken(SecretValue.of(cluster.admin_token))
        self.api = Api(ClusterSettings(server=cluster.server, credentials=token, ca_file=str(cluster.ca)))
        self.deployer = Deployer(cluster.admin, namespace)
        self.admin, self.namespace = cluster.admin, namespace
        self.world = World()
        self.world.ports = replace(self.world.ports, workloads=KubernetesWorkloads(self.api, kept=0.0))
        self.world.push(push_secret("all", str(SOURCE), {"password": f"{PATH.path}#password"}))
        self.world.external(external_secret(f"{namespace}/by-env", {"password": f"{PATH.path}#password"}))

    def change(self, value: bytes) -> None:
        self.world.clock.advance(300)
        self.world.source(SOURCE, {"password": value})
        self.world.settle()

    def run(self, kind: str) -> WorkloadRef:
        ref = WorkloadRef.parse(f"namespaces/{self.namespace}/{kind}/app")
        self.deployer.make(ref, False)
        self.roll_out(ref)
        return ref

    def roll_out(self, ref: WorkloadRef) -> None:
        self.world.clock.advance(60)
        self.deployer.begin(ref, self.world.clock.now())
        self.world.clock.advance(60)
        self.world.tick("rollouts")
        self.world.settle()

    def digest(self, ref: WorkloadRef) -> str:
        found = self.world.ports.workloads.read(ref)
        assert found is not None
        return found.restarted_for


@pytest.fixture
def rig(cluster: Cluster, namespace: str) -> Iterator[Rig]:
    made = Rig(cluster, namespace)
    yield made
    made.api.close()


def test_a_change_restarts_a_deployment_until_it_is_adopted(rig: Rig) -> None:
    rig.change(b"one")
    ref = rig.run("deployments")
    rig.change(b"two")
    first = rig.digest(ref)
    assert first
    assert rig.world.events(ConsumerAdopted) == []
    rig.roll_out(ref)
    [adopted] = rig.world.events(ConsumerAdopted)
    assert isinstance(adopted, ConsumerAdopted)
    assert (adopted.digest, adopted.secrets["by-env"][str(PATH)].number) == (first, 2)
    rig.world.tick()
    rig.world.settle()
    assert rig.digest(ref) == first
    rig.change(b"three")
    assert rig.digest(ref) not in ("", first)
    assert rig.world.events(ConsumerStuck) == []
    assert rig.world.dead == []


def test_undoing_a_rollout_is_told_and_not_fought(rig: Rig) -> None:
    rig.change(b"one")
    ref = rig.run("deployments")
    rig.change(b"two")
    rig.roll_out(ref)
    annotations = {"spec": {"template": {"metadata": {"annotations": {"lockstep.dev/restarted-for": None}}}}}
    rig.admin.patch(f"/apis/apps/v1/namespaces/{rig.namespace}/deployments/app", annotations)
    for _ in range(3):
        rig.world.clock.advance(700)
        rig.world.tick()
        rig.world.tick("rollouts")
        rig.world.settle()
    assert rig.digest(ref) == ""
    assert {event.reason for event in rig.world.events(ConsumerStuck) if isinstance(event, ConsumerStuck)} == {
        "reverted"
    }
    assert len({event.state for event in rig.world.events(ConsumerRestarted)}) == 1


def test_what_runs_the_value_already_is_not_restarted(rig: Rig) -> None:
    rig.change(b"one")
    ref = rig.run("statefulsets")
    rig.world.clock.advance(timedelta(hours=1).total_seconds())
    rig.world.tick()
    rig.world.settle()
    assert rig.digest(ref) == ""
    assert rig.world.events(ConsumerRestarted) == []
