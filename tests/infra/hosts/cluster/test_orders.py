"""An annotation that lets a PushSecret take over a path, told once."""

from datetime import UTC, datetime, timedelta

import pytest

from events.claim import ClaimRequested
from events.rotation import AbortRequested, PhaseRequested
from infra.hosts.cluster.orders import ABORT, ADOPT, RESUME, AboutRotation, AnnotatedOrders
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from tests.eso import apply, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import ready, until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Order = ClaimRequested | AboutRotation


def claimed(told: list[Order], namespace: str) -> list[ClaimRequested]:
    return [order for order in told if isinstance(order, ClaimRequested) and order.claimant.namespace == namespace]


@pytest.mark.parametrize("controller", ["lockstep", ""])
def test_adopting(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring, controller: str
) -> None:
    path = f"secret/platform-data/postgres/{namespace}"
    apply(eso_cluster, store_body(store_name, controller=controller))
    apply(eso_cluster, push_body(namespace, store_name, annotations={ADOPT: f"{path}@3, secret/not/mine@1, nonsense"}))
    told: list[Order] = []
    notices: list[str] = []
    orders = AnnotatedOrders(ready(wiring), told.append, now=lambda: NOW, lifetime=900, notice=notices.append)
    if not controller:
        assert orders.look() == 0, "what another controller serves is not ours to take over"
        return
    orders.look()
    orders.look()
    assert [(str(order.path), order.epoch) for order in claimed(told, namespace)] == [(path, 3)]
    assert len([text for text in notices if namespace in text]) == 2
    annotation = {"metadata": {"annotations": {ADOPT: f"{path}@4"}}}
    eso_cluster.admin.patch(place(push_body(namespace, "x")), annotation)
    until(lambda: wiring.reload() and orders.look())
    assert [order.epoch for order in claimed(told, namespace)] == [3, 4]


def test_an_order_that_is_not_taken_is_told_again(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    path = f"secret/platform-data/postgres/{namespace}"
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, push_body(namespace, store_name, annotations={ADOPT: f"{path}@0"}))
    told: list[Order] = []

    def refuse(order: Order) -> None:
        if len(told) == 0 and claimed([order], namespace):
            told.append(order)
            raise RuntimeError("the broker is full")
        told.append(order)

    orders = AnnotatedOrders(ready(wiring), refuse, now=lambda: NOW, lifetime=900)
    with pytest.raises(RuntimeError):
        orders.look()
    orders.look()
    assert len(claimed(told, namespace)) == 2


def test_orders_about_a_rotation_that_is_under_way(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    which = "0123456789abcdef" * 2
    body = {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
        "metadata": {"name": "orders", "namespace": namespace, "annotations": {ABORT: which, RESUME: "nonsense"}},
        "spec": {
            "secretStoreRef": {"name": store_name}, "remoteKey": f"shop/{namespace}", "strategy": "alternating",
            "target": {"name": "nowhere", "accounts": ["a", "b"]},
        },
    }  # fmt: skip
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, body)
    told: list[Order] = []
    notices: list[str] = []

    def ours() -> list[Order]:
        return [one for one in told if str(one.path) == f"secret/shop/{namespace}"]

    orders = AnnotatedOrders(ready(wiring), told.append, now=lambda: NOW, lifetime=900, notice=notices.append)
    orders.look()
    orders.look()
    (abort,) = ours()
    assert isinstance(abort, AbortRequested)
    assert (abort.rotation, abort.by, abort.expires) == (which, f"annotation:{namespace}", NOW + timedelta(seconds=900))
    assert [text for text in notices if namespace in text and RESUME in text]
    for number in (1, 2):  # anything new after the id asks again
        eso_cluster.admin.patch(place(body), {"metadata": {"annotations": {RESUME: f"{which}@{number}"}}})
        until(lambda: wiring.reload() and orders.look())
    resumed = [one for one in ours() if isinstance(one, PhaseRequested)]
    assert [(one.rotation, one.step) for one in resumed] == [(which, None)] * 2
