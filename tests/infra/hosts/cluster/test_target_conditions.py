"""What `kubectl get rotationtargets` shows: written when it changes, and not where the store is another's."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions._manifests.rotation_target import RotationTarget
from infra.hosts.cluster.target_conditions import TargetConditions, strategies
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed
from infra.kubernetes.resources import ROTATION_TARGETS
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from infra.wiring.cluster_targets import ClusterTargets
from tests.eso import apply, place, store_body
from tests.infra.hosts.cluster.conftest import DEADLINE, ready, until

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PATCH = ("patch", "rotationtargets/status")
Body = dict[str, Any]
Calls = list[tuple[str, str]]


@pytest.fixture
def name(eso_cluster: Cluster) -> Iterator[str]:
    """Of a RotationTarget of the test's own; removed afterwards if it was made."""
    made = f"target-{uuid.uuid4().hex[:8]}"
    yield made
    eso_cluster.admin.call("DELETE", f"/apis/{ROTATION_TARGETS.group}/v1alpha1/rotationtargets", query={
        "fieldSelector": f"metadata.name={made}"
    })  # fmt: skip


def body(name: str, store: str, **spec: Any) -> Body:
    return {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": name},
        "spec": {
            "type": "postgres", "parameters": {"host": "db", "port": 5432},
            "admin": {"secretStoreRef": {"name": store}, "remoteKey": f"platform/{name}"},
            "allow": [{"namespaces": ["shop"], "accounts": ["*"]}], **spec,
        },
    }  # fmt: skip


class Clock:
    """One hour passes with every look."""

    def __init__(self) -> None:
        self.now = BEGAN - timedelta(hours=1)

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


@pytest.fixture
def begin(eso_cluster: Cluster, wiring: ClusterWiring, api: Api) -> Iterator[Callable[[], TargetConditions]]:
    """Follow what is declared, and show it; as often as a test likes."""
    stopping: list[Callable[[], object]] = []

    def start() -> TargetConditions:
        rings: list[Callable[[], None]] = []

        def changed() -> None:
            for ring in rings:
                ring()

        declared = ClusterTargets(ApiFeed(api, ROTATION_TARGETS), changed=changed)
        conditions = TargetConditions(declared, wiring, api, strategies, now=Clock())
        rings.append(conditions.ring)
        declared.start()
        stopping.append(declared.stop)
        assert declared.wait_ready(DEADLINE)
        conditions.start()
        stopping.append(conditions.stop)
        conditions.ring()
        return conditions

    yield start
    for stop in reversed(stopping):
        stop()


@dataclass
class Scene:
    """A store and a RotationTarget of the test's own; `begin` has what is declared followed and shown."""

    cluster: Cluster
    wiring: ClusterWiring
    store: str
    name: str
    begin: Callable[[], TargetConditions]


@pytest.fixture
def scene(
    eso_cluster: Cluster, wiring: ClusterWiring, store_name: str, name: str, begin: Callable[[], TargetConditions]
) -> Scene:
    return Scene(eso_cluster, wiring, store_name, name, begin)


def shown(cluster: Cluster, name: str) -> Body:
    """The condition Ready, {} where there is none."""
    found = cluster.admin.get(place(body(name, "any"))).get("status") or {}
    return next((dict(one) for one in found.get("conditions", ()) if one["type"] == "Ready"), {})


def ours(calls: Calls) -> int:
    return calls.count(PATCH)


def test_what_can_be_used_says_so_once(scene: Scene, calls: Calls) -> None:
    eso_cluster, store_name, name, wiring, begin = scene.cluster, scene.store, scene.name, scene.wiring, scene.begin
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, body(name, store_name))
    ready(wiring)
    conditions = begin()
    until(lambda: shown(eso_cluster, name))
    assert shown(eso_cluster, name) == {
        "type": "Ready", "status": "True", "reason": "Declared",
        "message": f"postgres: carries out {', '.join(strategies_of('postgres'))}",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    found = eso_cluster.admin.get(place(body(name, store_name)))
    managers = {one["manager"] for one in found["metadata"]["managedFields"] if one.get("subresource") == "status"}
    assert managers == {"lockstep"}
    version, written = found["metadata"]["resourceVersion"], ours(calls)
    conditions.ring()
    again = begin()  # another process, which knows nothing of the first
    again.ring()
    apply(eso_cluster, body(name, store_name, allow=[{"namespaces": ["shop", "till"], "accounts": ["*"]}]))
    other = f"{name}-b"
    apply(eso_cluster, body(other, store_name))
    until(lambda: shown(eso_cluster, other))  # told after the others, and shown
    eso_cluster.admin.delete(place(body(other, store_name)))
    assert ours(calls) - written <= 2, "the other one's, by whichever of both was faster"
    assert shown(eso_cluster, name)["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert int(eso_cluster.admin.get(place(body(name, store_name)))["metadata"]["resourceVersion"]) > int(version)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"type": "nosuch", "parameters": {}}, "nosuch"), ({"parameters": {"hots": "db"}}, "host")],
)
def test_what_cannot_be_used_says_why_until_it_is_mended(scene: Scene, wrong: Body, says: str) -> None:
    eso_cluster, store_name, name, wiring, begin = scene.cluster, scene.store, scene.name, scene.wiring, scene.begin
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, body(name, store_name, **wrong))
    ready(wiring)
    begin()
    until(lambda: shown(eso_cluster, name))
    first = shown(eso_cluster, name)
    assert (first["status"], first["reason"], says in first["message"]) == ("False", "Invalid", True), first
    apply(eso_cluster, body(name, store_name))
    until(lambda: shown(eso_cluster, name)["status"] == "True")
    assert shown(eso_cluster, name)["lastTransitionTime"] != first["lastTransitionTime"]


def test_what_another_controllers_store_serves_is_left_alone(scene: Scene) -> None:
    eso_cluster, store_name, name, wiring, begin = scene.cluster, scene.store, scene.name, scene.wiring, scene.begin
    apply(eso_cluster, store_body(store_name, controller=""))
    apply(eso_cluster, body(name, store_name))
    ready(wiring)
    conditions = begin()
    apply(eso_cluster, store_body(f"{store_name}-ours"))
    mine = f"{name}-ours"

    def looked_at(which: str) -> Body:
        wiring.reload()
        conditions.ring()
        return shown(eso_cluster, which)

    apply(eso_cluster, body(mine, f"{store_name}-ours"))
    try:
        until(lambda: looked_at(mine))
        assert shown(eso_cluster, name) == {}, "it came before the other one, and was looked at"
        apply(eso_cluster, store_body(store_name))  # handed over
        until(lambda: looked_at(name))
    finally:
        eso_cluster.admin.delete(place(body(mine, store_name)))
        eso_cluster.admin.delete(place(store_body(f"{store_name}-ours")))


def strategies_of(kind: str) -> tuple[str, ...]:
    return strategies(RotationTarget.model_validate(body("any", "any", type=kind)))
