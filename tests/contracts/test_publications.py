"""One suite for `Publications`: the fake, the local database and the PushSecrets' status do the same."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef, Version
from functions._ports import Publication, Publications
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.publications import LocalPublications
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring, cluster_feeds
from tests.eso import apply, client, place, push_body, store_body
from tests.fakes.local import FakePublications

WRITTEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PATH = PathRef(mount="secret", path="team/app")
Make = Callable[[], Publications]


@pytest.fixture(params=["fake", "database", "cluster"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes the port; what is made twice is the same store, opened again."""
    if request.param == "cluster":
        yield request.getfixturevalue("opened_in_cluster")
        return
    if request.param == "fake":
        fake = FakePublications()
        yield lambda: fake
        return
    opened: list[LocalDatabase] = []

    def opening() -> Publications:
        opened.append(LocalDatabase(tmp_path / "local.db"))
        return LocalPublications(opened[-1])

    yield opening
    for database in opened:
        database.close()


@pytest.fixture
def opened_in_cluster(eso_cluster: Cluster, namespace: str, store_name: str) -> Iterator[Make]:
    """A PushSecret `team/app` with the paths below, in a namespace that is called otherwise for once."""
    stores = {"secret": store_name, "team-a/secret": f"{store_name}-deep"}
    for mount, name in stores.items():
        body = store_body(name)
        space, _, path = mount.rpartition("/")
        body["spec"]["provider"]["vault"] |= {"path": path} | ({"namespace": space} if space else {})
        apply(eso_cluster, body)
    push = push_body(namespace, store_name, name="app")
    push["spec"]["secretStoreRefs"] = [{"name": name, "kind": "ClusterSecretStore"} for name in stores.values()]
    push["spec"]["data"] = [
        {"match": {"secretKey": key, "remoteRef": {"remoteKey": path, "property": key}}}
        for path in ("team/app", "team/app/below", "secret/app")
        for key in ("user", "password")
    ]
    apply(eso_cluster, push)
    api = client(eso_cluster)
    opened: list[ClusterWiring] = []

    def opening() -> Publications:
        wiring = ClusterWiring(cluster_feeds(api))
        opened.append(wiring)
        wiring.start()
        assert wiring.wait_ready(60)
        wiring.reload()
        return _Renamed(ClusterPublications(wiring, Statuses(wiring, api)), namespace)

    yield opening
    for wiring in opened:
        wiring.stop()
    api.close()
    eso_cluster.admin.delete(place(store_body(stores["team-a/secret"])))


class _Renamed:
    """Publications of a namespace that is not `team`."""

    def __init__(self, publications: Publications, namespace: str) -> None:
        self._publications = publications
        self._namespace = namespace

    def read(self, path: PathRef) -> Publication | None:
        found = self._publications.read(path)
        return found and self._named(found, "team")

    def record(self, publication: Publication) -> None:
        self._publications.record(self._named(publication, self._namespace))

    def forget(self, path: PathRef) -> None:
        self._publications.forget(path)

    @staticmethod
    def _named(publication: Publication, namespace: str) -> Publication:
        return replace(publication, manifest=publication.manifest.model_copy(update={"namespace": namespace}))


@pytest.fixture
def publications(make: Make) -> Publications:
    return make()


def publication(number: int = 1, **changes: object) -> Publication:
    made = Publication(
        path=PATH,
        version=Version(number=number, created=WRITTEN + timedelta(seconds=number)),
        manifest=ManifestRef(kind="PushSecret", namespace="team", name="app"),
        sources={"team/source": "..data~1", "team/other": "..data~2"},
        generation="abc",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of a dataclass, by name


def test_nothing_was_confirmed(publications: Publications) -> None:
    assert publications.read(PATH) is None
    publications.forget(PATH)


def test_what_is_recorded_is_read_whole(publications: Publications, make: Make) -> None:
    publications.record(publication())
    assert publications.read(PATH) == publication()
    assert make().read(PATH) == publication()


def test_the_mount_may_be_below_namespaces(publications: Publications) -> None:
    version = Version(number=1, created=WRITTEN, id="kv-1")
    deep = publication(path=PathRef(mount="team-a/secret", path="secret/app"), version=version)
    publications.record(deep)
    assert publications.read(deep.path) == deep


def test_a_newer_version_replaces(publications: Publications) -> None:
    publications.record(publication(1))
    publications.record(publication(2))
    assert publications.read(PATH) == publication(2)


def test_an_older_one_does_not(publications: Publications) -> None:
    publications.record(publication(2))
    publications.record(publication(1, generation="late"))
    assert publications.read(PATH) == publication(2)


def test_the_same_version_takes_newer_sources_and_generation(publications: Publications) -> None:
    publications.record(publication(1))
    again = publication(1, sources={"team/source": "..data~9"}, generation="def")
    publications.record(again)
    assert publications.read(PATH) == again


def test_numbers_count_and_not_times(publications: Publications) -> None:
    """The authority's clock may have been moved back."""
    publications.record(publication(1))
    back = publication(2, version=Version(number=2, created=WRITTEN - timedelta(days=1)))
    publications.record(back)
    assert publications.read(PATH) == back


def test_forgetting_begins_anew(publications: Publications) -> None:
    publications.record(publication(7))
    publications.forget(PATH)
    assert publications.read(PATH) is None
    publications.record(publication(1))
    assert publications.read(PATH) == publication(1)


def test_paths_are_apart(publications: Publications) -> None:
    other = publication(3, path=PathRef(mount="secret", path="team/app/below"))
    publications.record(publication(1))
    publications.record(other)
    publications.forget(PATH)
    assert publications.read(other.path) == other
