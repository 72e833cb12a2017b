"""What `kubectl get pushsecrets` shows, at which cost; and what others write meanwhile."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._failures import Retry
from functions._ports import Publication
from infra.hosts.cluster.conditions import failed
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.status import StatusWriter
from infra.hosts.cluster.statuses import Statuses, Written
from infra.hosts.cluster.wired import WiredObjects
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from tests.eso import apply, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import DEADLINE, ready, until

WRITTEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
Calls = list[tuple[str, str]]
PATCH = ("patch", "pushsecrets/status")


def path_of(namespace: str) -> PathRef:
    return PathRef(mount="secret", path=f"platform-data/postgres/{namespace}")


def confirmed(namespace: str, number: int = 1, state: str = "uid/7") -> Publication:
    return Publication(
        path=path_of(namespace),
        version=Version(number=number, created=WRITTEN),
        manifest=ManifestRef(kind="PushSecret", namespace=namespace, name="push"),
        sources={f"{namespace}/source": state},
        generation="abc",
    )


@pytest.fixture
def made(eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring, api: Api) -> ClusterPublications:
    apply(eso_cluster, store_body(store_name))
    apply(eso_cluster, push_body(namespace, store_name))
    ready(wiring)
    return ClusterPublications(wiring, Statuses(wiring, api), now=lambda: WRITTEN)


def status(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.admin.get(place(push_body(namespace, "x")))["status"]
    return found


def test_one_patch_confirms_and_shows_it(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, store_name: str, calls: Calls
) -> None:
    calls.clear()
    made.record(confirmed(namespace))
    assert calls == [PATCH]
    assert made.read(path_of(namespace)) == confirmed(namespace)
    assert calls == [PATCH], "what was written here is read without asking"
    shown = status(eso_cluster, namespace)
    assert shown["refreshTime"] == "2026-01-02T03:04:05Z"
    assert shown["conditions"] == [{
        "type": "Ready", "status": "True", "reason": "Synced", "message": "PushSecret synced successfully",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }]  # fmt: skip
    (entry,) = shown["syncedPushSecrets"][f"ClusterSecretStore/{store_name}"].items()
    assert entry[0] == f"{path_of(namespace).path}/password"
    assert entry[1]["match"]["secretKey"] == "password"
    assert entry[1]["metadata"]["lockstep.dev"]["version"] == 1
    table = eso_cluster.admin.call("GET", place(push_body(namespace, "x")))
    assert table["status"]["syncedResourceVersion"].startswith("1-")


def test_the_same_again_costs_nothing(made: ClusterPublications, namespace: str, calls: Calls) -> None:
    made.record(confirmed(namespace))
    calls.clear()
    made.record(confirmed(namespace))
    assert PATCH not in calls


def test_what_others_write_meanwhile_is_kept(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, calls: Calls
) -> None:
    made.record(confirmed(namespace))
    other = {"status": {"conditions": [{"type": "Other", "status": "True"}]}}
    eso_cluster.admin.patch(f"{place(push_body(namespace, 'x'))}/status", other)
    made.record(confirmed(namespace, 2))
    types = [one["type"] for one in status(eso_cluster, namespace)["conditions"]]
    assert types == ["Ready", "Other"]


def test_an_older_version_never_takes_its_place(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, wiring: ClusterWiring, api: Api
) -> None:
    """Of two processes the one that is late has not heard of what the other wrote."""
    late = ClusterPublications(wiring, Statuses(wiring, api), now=lambda: WRITTEN)
    made.record(confirmed(namespace, 5))
    late.record(confirmed(namespace, 4))
    assert late.read(path_of(namespace)) == confirmed(namespace, 5)
    fresh = ClusterPublications(wiring, Statuses(wiring, api, fresh=True), now=lambda: WRITTEN)
    assert fresh.read(path_of(namespace)) == confirmed(namespace, 5)


def test_identities_of_one_process_see_what_each_other_wrote(
    made: ClusterPublications, namespace: str, wiring: ClusterWiring, api: Api, calls: Calls
) -> None:
    """Publish writes in its own name, materialize reads in another: at once, and without a call."""
    written = Written()
    publish = ClusterPublications(wiring, Statuses(wiring, api, written=written), now=lambda: WRITTEN)
    materialize = ClusterPublications(wiring, Statuses(wiring, api, written=written))
    publish.record(confirmed(namespace))
    calls.clear()
    assert materialize.read(path_of(namespace)) == confirmed(namespace)
    assert ("get", "pushsecrets") not in calls


def test_sources_that_are_none_any_more_are_dropped(made: ClusterPublications, namespace: str) -> None:
    first = confirmed(namespace)
    other = Publication(**{**_fields(first), "sources": {f"{namespace}/a": "1", f"{namespace}/b": "2"}})
    made.record(other)
    made.record(first)
    assert made.read(path_of(namespace)) == first


def test_a_manifest_that_is_gone_is_looked_at_again(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str
) -> None:
    eso_cluster.admin.delete(place(push_body(namespace, "x")))
    with pytest.raises(Retry, match="not in the cluster"):
        made.record(confirmed(namespace))


def test_made_again_it_has_confirmed_nothing(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    made.record(confirmed(namespace))
    ref = confirmed(namespace).manifest
    before = wiring.uid_of(ref)
    eso_cluster.admin.delete(place(push_body(namespace, "x")))
    apply(eso_cluster, push_body(namespace, store_name))
    until(lambda: wiring.uid_of(ref) not in (before, None))
    wiring.reload()
    assert made.read(path_of(namespace)) is None


def test_what_another_controller_serves_is_not_ours_to_confirm(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    """Switched back and forth nothing is lost: what was confirmed counts again."""
    made.record(confirmed(namespace))
    apply(eso_cluster, store_body(store_name, controller=""))
    until(lambda: wiring.reload() and wiring.mode(confirmed(namespace).manifest) == "observe")
    assert made.read(path_of(namespace)) is None
    apply(eso_cluster, store_body(store_name))
    until(lambda: wiring.reload() and wiring.mode(confirmed(namespace).manifest) == "own")
    assert made.read(path_of(namespace)) == confirmed(namespace)
    assert confirmed(namespace) in list(made.all())


def test_a_path_that_the_manifest_left_is_remembered_until_it_is_forgotten(
    made: ClusterPublications, eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring
) -> None:
    made.record(confirmed(namespace))
    ref = confirmed(namespace).manifest
    until(lambda: (held := wiring.held(ref)) is not None and held.status.get("syncedPushSecrets"))
    apply(eso_cluster, push_body(namespace, store_name, path="platform-data/postgres/elsewhere"))
    until(lambda: any(change.manifest == ref for change in wiring.reload()))
    assert made.read(path_of(namespace)) == confirmed(namespace)
    made.forget(path_of(namespace))
    assert made.read(path_of(namespace)) is None
    assert not status(eso_cluster, namespace)["syncedPushSecrets"][f"ClusterSecretStore/{store_name}"]


def _fields(publication: Publication) -> dict[str, Any]:
    return {name: getattr(publication, name) for name in ("path", "version", "manifest", "sources", "generation")}


def test_a_rotation_that_is_gone_confirms_nothing_and_holds_nothing_up(
    made: ClusterPublications, namespace: str, calls: Calls
) -> None:
    """It wrote live before it went; whoever waited for its status would wait for ever."""
    calls.clear()
    gone = ManifestRef(kind="Rotation", namespace=namespace, name="gone")
    version = Version(number=2, created=WRITTEN)
    made.record(Publication(path=path_of(namespace), version=version, manifest=gone, sources={}))
    assert calls == []
    assert made.read(path_of(namespace)) is None


# --- written behind what it confirms ------------------------------------------------------------------------------


@pytest.fixture
def statuses(made: ClusterPublications, wiring: ClusterWiring, api: Api) -> Statuses:
    """Of another process than `made`."""
    return Statuses(wiring, api)


@pytest.fixture
def writer(statuses: Statuses, wiring: ClusterWiring) -> Iterator[StatusWriter]:
    """Not started: what is noted waits until it is."""
    writer = StatusWriter(wiring, statuses, now=lambda: WRITTEN)
    yield writer
    writer.stop()


@pytest.fixture
def behind(writer: StatusWriter, statuses: Statuses, wiring: ClusterWiring) -> ClusterPublications:
    return ClusterPublications(wiring, statuses, now=lambda: WRITTEN, settling=writer)


def test_what_is_confirmed_counts_at_once_and_is_written_in_a_moment(
    behind: ClusterPublications, made: ClusterPublications, writer: StatusWriter, namespace: str, calls: Calls
) -> None:
    calls.clear()
    for number in (1, 2, 3):
        behind.record(confirmed(namespace, number))
        assert behind.read(path_of(namespace)) == confirmed(namespace, number)
    behind.record(confirmed(namespace, 2))
    assert behind.read(path_of(namespace)) == confirmed(namespace, 3)
    assert [one for one in behind.all() if one.path == path_of(namespace)] == [confirmed(namespace, 3)]
    assert calls == []
    writer.start()
    assert writer.wait_written(DEADLINE)
    assert calls == [PATCH], "of one path the newest is written alone"
    assert behind.read(path_of(namespace)) == confirmed(namespace, 3)
    until(lambda: made.read(path_of(namespace)) == confirmed(namespace, 3))


def test_it_is_written_before_the_end(
    behind: ClusterPublications, made: ClusterPublications, writer: StatusWriter, namespace: str
) -> None:
    writer.start()
    behind.record(confirmed(namespace))
    writer.stop()
    until(lambda: made.read(path_of(namespace)) == confirmed(namespace))


def test_what_was_not_written_when_the_process_died_is_news_to_the_next(
    behind: ClusterPublications, made: ClusterPublications, wiring: ClusterWiring, namespace: str
) -> None:
    made.record(confirmed(namespace, 1, "uid/7"))
    until(lambda: behind.read(path_of(namespace)) == confirmed(namespace, 1, "uid/7"))
    behind.record(confirmed(namespace, 2, "uid/8"))
    assert made.read(path_of(namespace)) == confirmed(namespace, 1, "uid/7")
    source = SecretRef(namespace=namespace, name="source")
    assert WiredObjects(wiring, behind).known(source) == "uid/8"
    assert WiredObjects(wiring, made).known(source) == "uid/7", "so that the source's state is another, and is told"


def test_a_condition_that_is_told_after_it_is_shown_after_it(
    behind: ClusterPublications, writer: StatusWriter, eso_cluster: Cluster, namespace: str, calls: Calls
) -> None:
    behind.record(confirmed(namespace))
    writer.tell(confirmed(namespace).manifest, failed("PushSecret", "the next value may not be published"))
    writer.start()
    assert writer.wait_written(DEADLINE)
    (condition,) = status(eso_cluster, namespace)["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "Errored")
    assert behind.read(path_of(namespace)) == confirmed(namespace)
    assert calls.count(PATCH) == 1, "both in one"
    behind.record(confirmed(namespace, 2))
    assert writer.wait_written(DEADLINE)
    assert status(eso_cluster, namespace)["conditions"][0]["status"] == "True"


def test_what_is_forgotten_meanwhile_is_written_no_more(
    behind: ClusterPublications, writer: StatusWriter, eso_cluster: Cluster, namespace: str
) -> None:
    behind.record(confirmed(namespace, 5))
    behind.forget(path_of(namespace))
    assert behind.read(path_of(namespace)) is None
    behind.record(confirmed(namespace, 1))
    assert behind.read(path_of(namespace)) == confirmed(namespace, 1)
    writer.start()
    assert writer.wait_written(DEADLINE)
    assert behind.read(path_of(namespace)) == confirmed(namespace, 1)


def test_what_somebody_wrote_meanwhile_is_kept_behind_too(
    behind: ClusterPublications, writer: StatusWriter, eso_cluster: Cluster, namespace: str
) -> None:
    behind.record(confirmed(namespace))
    other = {"status": {"conditions": [{"type": "Other", "status": "True"}]}}
    eso_cluster.admin.patch(f"{place(push_body(namespace, 'x'))}/status", other)
    writer.start()
    assert writer.wait_written(DEADLINE)
    types = [one["type"] for one in status(eso_cluster, namespace)["conditions"]]
    assert types == ["Ready", "Other"]
    assert behind.read(path_of(namespace)) == confirmed(namespace)


def test_a_manifest_that_went_meanwhile_holds_nothing_up(
    behind: ClusterPublications, writer: StatusWriter, eso_cluster: Cluster, namespace: str
) -> None:
    behind.record(confirmed(namespace))
    eso_cluster.admin.delete(place(push_body(namespace, "x")))
    writer.start()
    assert writer.wait_written(DEADLINE)
    assert writer.last_error is None


def test_while_statuses_cannot_be_written_whoever_confirms_hears_it(
    behind: ClusterPublications, writer: StatusWriter, namespace: str, calls: Calls
) -> None:
    writer.last_error = "the status of something cannot be written"
    calls.clear()
    behind.record(confirmed(namespace))
    assert calls == [PATCH], "at once, as the step's own"


def test_of_many_that_are_confirmed_at_once_most_are_written_by_whoever_confirms(
    behind: ClusterPublications, writer: StatusWriter, namespace: str, calls: Calls
) -> None:
    """One thread writes behind: under a burst it would fall behind for long."""
    for number in range(100):
        writer.settle_soon(ManifestRef(kind="PushSecret", namespace=namespace, name=f"other-{number}"))
    calls.clear()
    behind.record(confirmed(namespace))
    assert calls == [PATCH]
    writer.start()
    assert writer.wait_written(DEADLINE)
    assert calls == [PATCH]
