"""One suite for `Workloads`: the fake and a real API server do the same.

No kubelet runs in the test cluster: its controllers make the pods, and the test says what became of them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from events.consumer import WorkloadRef
from functions._failures import Conflict
from functions._values import SecretValue
from functions._workloads import Use, Workload, Workloads
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.testbed.cluster import Cluster
from tests.fakes.workloads import FakeWorkloads
from tests.infra.stores.kubernetes_workloads import Deployer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "0123456789abcdef" * 2
Kind = Literal["Deployment", "StatefulSet", "DaemonSet"]
KINDS: tuple[Kind, ...] = ("DaemonSet", "Deployment", "StatefulSet")
USES = {
    "by-env": frozenset({Use.ENVIRONMENT}),
    "by-volume": frozenset({Use.VOLUME}),
    "by-file": frozenset({Use.VOLUME, Use.SUB_PATH}),
    "by-pull": frozenset({Use.PULL}),
}


@dataclass
class Bench:
    """An adapter, and what people, controllers and kubelets do."""

    workloads: Workloads
    namespace: str
    make: Callable[[WorkloadRef, bool], object]  # with two replicas; paused or OnDelete where that is asked
    respecify: Callable[[WorkloadRef], object]
    begin: Callable[[WorkloadRef, datetime], object]  # every pod's containers run since then
    crash: Callable[[WorkloadRef], object]
    remove: Callable[[WorkloadRef], object]

    def ref(self, name: str, kind: Kind = "Deployment") -> WorkloadRef:
        return WorkloadRef(kind=kind, namespace=self.namespace, name=name)

    def read(self, ref: WorkloadRef) -> Workload:
        found = self.workloads.read(ref)
        assert found is not None
        return found


@pytest.fixture(params=["fake", "kubernetes"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        yield _fake()
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    namespace: str = request.getfixturevalue("namespace")
    settings = ClusterSettings(
        server=cluster.server, credentials=StaticToken(SecretValue.of(cluster.admin_token)), ca_file=str(cluster.ca)
    )
    api = Api(settings)
    deployer = Deployer(cluster.admin, namespace)
    yield Bench(
        KubernetesWorkloads(api, kept=0.0), namespace, deployer.make, deployer.respecify, deployer.begin,
        deployer.crash, deployer.remove,
    )  # fmt: skip
    api.close()


def _fake() -> Bench:
    fake = FakeWorkloads()

    def make(ref: WorkloadRef, held: bool) -> None:
        of_deployment = ref.kind == "Deployment"
        fake.put(
            ref, USES, annotations={"lockstep.dev/restart": "true"}, paused=held and of_deployment,
            on_delete=held and not of_deployment,
        )  # fmt: skip

    def begin(ref: WorkloadRef, began: datetime) -> None:
        fake.complete(ref, began)
        fake.set_pods(ref, *(replace(pod, began=began) for pod in fake.pods(ref)))

    def crash(ref: WorkloadRef) -> None:
        pods = [replace(pod, began=None, waiting="CrashLoopBackOff", restarts=4) for pod in fake.pods(ref)]
        fake.set_pods(ref, *pods)

    return Bench(fake, "team", make, fake.change, begin, crash, fake.remove)


def restarted(bench: Bench, ref: WorkloadRef) -> Workload:
    """What it was before: controllers may write its status between reading and restarting, and it is read again."""
    end = time.monotonic() + 30
    while True:
        before = bench.read(ref)
        try:
            bench.workloads.restart(ref, DIGEST, before.state)
        except Conflict:
            if time.monotonic() > end:
                raise
            continue
        return before


def test_none(bench: Bench) -> None:
    ref = bench.ref("nothing")
    assert bench.workloads.list(bench.namespace) == ()
    assert bench.workloads.read(ref) is None
    assert bench.workloads.pods(ref) == ()
    with pytest.raises(Conflict):
        bench.workloads.restart(ref, DIGEST, "uid/1")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_of_a_workload(bench: Bench, kind: Kind) -> None:
    ref = bench.ref("app", kind)
    bench.make(ref, False)
    found = bench.read(ref)
    assert found.ref == ref
    assert found.uid
    assert found.uses == USES
    assert found.annotations["lockstep.dev/restart"] == "true"
    assert (found.restarted_for, found.paused, found.on_delete) == ("", False, False)
    assert found.generation >= 1


def test_lists_are_ordered_by_kind_and_name(bench: Bench) -> None:
    refs = [bench.ref(name, kind) for kind in KINDS for name in ("a", "b")]
    for ref in reversed(refs):
        bench.make(ref, False)
    assert [one.ref for one in bench.workloads.list(bench.namespace)] == refs
    bench.remove(refs[0])
    assert [one.ref for one in bench.workloads.list(bench.namespace)] == refs[1:]


def test_paused_and_on_delete(bench: Bench) -> None:
    deployment, stateful, daemons = (bench.ref("held", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet"))
    for ref in (deployment, stateful, daemons):
        bench.make(ref, True)
    assert [bench.read(ref).paused for ref in (deployment, stateful, daemons)] == [True, False, False]
    assert [bench.read(ref).on_delete for ref in (deployment, stateful, daemons)] == [False, True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_is_a_new_generation_with_the_digest(bench: Bench, kind: Kind) -> None:
    ref = bench.ref("app", kind)
    bench.make(ref, False)
    before = restarted(bench, ref)
    after = bench.read(ref)
    assert after.restarted_for == DIGEST
    assert after.generation == before.generation + 1
    assert (after.uid, after.uses) == (before.uid, before.uses)
    with pytest.raises(Conflict):
        bench.workloads.restart(ref, DIGEST, before.state)


def test_a_restart_of_what_changed_or_went_conflicts(bench: Bench) -> None:
    ref = bench.ref("app")
    bench.make(ref, False)
    before = bench.read(ref)
    bench.respecify(ref)
    with pytest.raises(Conflict):
        bench.workloads.restart(ref, DIGEST, before.state)
    before = bench.read(ref)
    bench.remove(ref)
    bench.make(ref, False)
    with pytest.raises(Conflict):
        bench.workloads.restart(ref, DIGEST, before.state)
    assert bench.read(ref).restarted_for == ""


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_pods_tell_since_when_they_run_and_what_for(bench: Bench, kind: Kind) -> None:
    ref = bench.ref("app", kind)
    bench.make(ref, False)
    bench.make(bench.ref("app-other", kind), False)
    bench.begin(bench.ref("app-other", kind), NOW - timedelta(days=1))
    bench.begin(ref, NOW)
    found = bench.workloads.pods(ref)
    assert len(found) == 2
    assert {(pod.began, pod.restarted_for, pod.waiting) for pod in found} == {(NOW, "", "")}
    bench.crash(ref)
    assert {(pod.began, pod.waiting, pod.restarts) for pod in bench.workloads.pods(ref)} == {
        (None, "CrashLoopBackOff", 4)
    }


def test_new_pods_carry_the_digest(bench: Bench) -> None:
    ref = bench.ref("app")
    bench.make(ref, False)
    bench.begin(ref, NOW)
    restarted(bench, ref)
    bench.begin(ref, NOW + timedelta(hours=1))
    found = bench.workloads.pods(ref)
    assert [(pod.began, pod.restarted_for) for pod in found] == [(NOW + timedelta(hours=1), DIGEST)] * 2
    status = bench.read(ref).status
    assert (status.wanted, status.updated, status.available, status.failed) == (2, 2, 2, "")


def test_pods_are_shown_without_reading_the_workload_first(bench: Bench) -> None:
    ref = bench.ref("app")
    bench.make(ref, False)
    bench.begin(ref, NOW)
    names = [pod.name for pod in bench.workloads.pods(ref)]
    assert len(names) == 2
    assert names == sorted(names)
