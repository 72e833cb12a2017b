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
from tests.eso import apply, external_body, external_spec, place, push_body, store_body
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


# --- refreshTime --------------------------------------------------------------------------------------------------


def test_what_is_in_step_is_refreshed_once_its_interval_is_over(
    start: Start, eso_cluster: Cluster, namespace: str, wiring: ClusterWiring, calls: Calls
) -> None:
    writer = start()
    ref = ManifestRef(kind="ExternalSecret", namespace=namespace, name="pull")
    writer.tell(ref, SYNCED, "target")
    assert writer.wait_written(DEADLINE)
    first = shown(eso_cluster, namespace)["refreshTime"]
    until(lambda: (held := wiring.held(ref)) is not None and held.status.get("refreshTime") == first)
    consumer = wiring.external_secret(ref)
    assert consumer is not None
    writer.refreshed(consumer)  # an hour later, as each look at this clock is: its refreshInterval
    assert writer.wait_written(DEADLINE)
    after = shown(eso_cluster, namespace)
    assert after["refreshTime"] > first
    assert after["conditions"][0]["message"] == SYNCED.message
    until(lambda: (held := wiring.held(ref)) is not None and held.status.get("refreshTime") == after["refreshTime"])
    since = calls.count(PATCH)
    daily = consumer.model_copy(update={"spec": consumer.spec.model_copy(update={"refresh_interval": 86400.0 * 365})})
    once = consumer.model_copy(update={"spec": consumer.spec.model_copy(update={"refresh_interval": 0.0})})
    for each in (daily, once):
        writer.refreshed(each)
    assert writer.wait_written(DEADLINE)
    writer.tell(ref, failed("ExternalSecret", "the path is gone"))
    assert writer.wait_written(DEADLINE)
    until(lambda: (held := wiring.held(ref)) is not None and not SYNCED.shown_in(held.status))
    writer.refreshed(consumer)
    assert writer.wait_written(DEADLINE)
    assert calls.count(PATCH) == since + 1, "of what is not in step nothing is refreshed"


# --- ClusterExternalSecrets ---------------------------------------------------------------------------------------


def test_a_cluster_external_secret_shows_where_it_came_to(
    start: Start, eso_cluster: Cluster, store_name: str, wiring: ClusterWiring, calls: Calls
) -> None:
    namespace, other = eso_cluster.create_namespace(), eso_cluster.create_namespace()
    body = {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": store_name},
        "spec": {
            "externalSecretName": "everywhere", "externalSecretSpec": external_spec(store_name, PATH),
            "namespaces": [namespace, other],
        },
    }  # fmt: skip
    writer = start()
    apply(eso_cluster, body)
    refs = {one: ManifestRef(kind="ExternalSecret", namespace=one, name="everywhere") for one in (namespace, other)}
    until(lambda: wiring.reload() is not None and wiring.external_secret(refs[other]))
    writer.tell_problems()

    def status() -> dict[str, Any]:
        assert writer.wait_written(DEADLINE)
        found: dict[str, Any] = eso_cluster.admin.get(place(body)).get("status", {})
        return found

    try:
        assert (status()["provisionedNamespaces"], status()["conditions"][0]["status"]) == ([], "False")
        writer.tell(refs[namespace], SYNCED, "everywhere")
        writer.tell(refs[other], failed("ExternalSecret", "the access policy forbids it"))
        found = status()
        assert (found["externalSecretName"], found["provisionedNamespaces"]) == ("everywhere", [namespace])
        assert found["failedNamespaces"] == [{"namespace": other, "reason": "the access policy forbids it"}]
        assert found["conditions"][0] == {
            "type": "Ready", "status": "False", "message": "one or more namespaces failed"
        }  # fmt: skip
        writer.tell(refs[other], SYNCED, "everywhere")
        assert sorted(status()["provisionedNamespaces"]) == sorted([namespace, other])
        assert (status()["failedNamespaces"], status()["conditions"]) == ([], [{"type": "Ready", "status": "True"}])
        written = calls.count(("patch", "clusterexternalsecrets/status"))
        writer.tell(refs[other], SYNCED, "everywhere")
        writer.tell_problems()
        assert status()["conditions"][0]["status"] == "True"
        assert calls.count(("patch", "clusterexternalsecrets/status")) == written, "what is shown is written once"
        eso_cluster.admin.patch(place(body), {"spec": {"namespaces": [other]}})
        until(lambda: wiring.reload() is not None and wiring.external_secret(refs[namespace]) is None)
        writer.tell_problems()
        assert status()["provisionedNamespaces"] == [other]
    finally:
        eso_cluster.admin.delete(place(body))
