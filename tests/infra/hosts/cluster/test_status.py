"""What `kubectl get externalsecrets` shows; written when it changes, never for what others serve."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.references import ManifestRef
from infra.hosts.cluster.conditions import SYNCED, Condition, failed
from infra.hosts.cluster.status import StatusWriter
from infra.hosts.cluster.statuses import Statuses
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from tests.eso import apply, external_body, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import DEADLINE, ready, until

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PATH = "platform-data/postgres/orders"
PATCH = ("patch", "externalsecrets/status")
Calls = list[tuple[str, str]]


class Clock:
    """One hour passes with every look."""

    def __init__(self) -> None:
        self.now = BEGAN - timedelta(hours=1)

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


@pytest.fixture
def start(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring, api: Api
) -> Iterator[Callable[..., StatusWriter]]:
    made: list[StatusWriter] = []

    def begin(controller: str = "lockstep") -> StatusWriter:
        apply(eso_cluster, store_body(store_name, controller=controller))
        apply(eso_cluster, external_body(namespace, store_name, PATH))
        ready(wiring)
        writer = StatusWriter(wiring, Statuses(wiring, api), now=Clock())
        made.append(writer)
        writer.start()
        return writer

    yield begin
    for writer in made:
        writer.stop()


Start = Callable[..., StatusWriter]


def shown(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.admin.get(place(external_body(namespace, "x", PATH))).get("status", {})
    return found


def test_synced_as_its_users_know_it(
    start: Start, eso_cluster: Cluster, namespace: str, store_name: str, calls: Calls
) -> None:
    writer, ref = start(), ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull")
    calls.clear()
    for _ in range(5):
        writer.tell(ref, SYNCED, "target")
        assert writer.wait_written(DEADLINE)
    assert calls.count(PATCH) == 1, "only when it changes"
    assert shown(eso_cluster, namespace) == {
        "binding": {"name": "target"}, "refreshTime": "2026-01-02T03:04:05Z",
        "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced",
                        "lastTransitionTime": "2026-01-02T03:04:05Z"}],
    }  # fmt: skip


def test_a_failure_and_its_end(start: Start, eso_cluster: Cluster, namespace: str) -> None:
    writer, ref = start(), ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull")
    told: list[Condition] = [
        SYNCED, failed(ref.kind, "the key is missing"), failed(ref.kind, "another reason"), SYNCED,
    ]  # fmt: skip
    times = []
    for condition in told:
        writer.tell(ref, condition)
        assert writer.wait_written(DEADLINE)
        (one,) = shown(eso_cluster, namespace)["conditions"]
        assert (one["status"], one["reason"], one["message"]) == (
            str(condition.ready), condition.reason, condition.message,
        )  # fmt: skip
        times.append(one["lastTransitionTime"])
    assert times[1] == times[2], "it did not turn between two failures"
    assert len(set(times)) == 3


def test_a_manifest_that_may_not_act_says_why(
    start: Start, eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    writer = start()
    apply(eso_cluster, push_body(namespace, store_name))
    apply(eso_cluster, store_body(store_name, conditions=[{"namespaces": ["elsewhere"]}]))
    ref = ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull")
    until(lambda: wiring.reload() and wiring.problem(ref))
    writer.tell_problems()
    assert writer.wait_written(DEADLINE)
    (one,) = shown(eso_cluster, namespace)["conditions"]
    assert (one["status"], one["reason"]) == ("False", "SecretSyncedError")
    assert "does not admit" in one["message"]


def test_what_another_controller_serves_is_left_alone(start: Start, namespace: str, calls: Calls) -> None:
    writer = start(controller="")
    writer.tell(ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull"), SYNCED)
    writer.tell_problems()
    assert writer.wait_written(DEADLINE)
    assert not [call for call in calls if call == PATCH]


def test_a_manifest_that_is_gone_is_nothing_to_write(
    start: Start, eso_cluster: Cluster, namespace: str, wiring: ClusterWiring
) -> None:
    writer, ref = start(), ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull")
    eso_cluster.admin.delete(place(external_body(namespace, "x", PATH)))
    until(lambda: wiring.held(ref) is None)
    writer.tell(ref, SYNCED)
    assert writer.wait_written(DEADLINE)
    assert writer.last_error is None
