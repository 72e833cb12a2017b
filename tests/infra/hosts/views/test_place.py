"""What people are told to do, on a machine and in a cluster."""

from pathlib import Path

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.located import located
from infra.hosts.views.place import Place
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from tests import eso

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="push")
SOURCE = SecretRef(namespace="platform-data", name="source")
PATH = PathRef(mount="secret", path="a/b")


def told(place: Place) -> list[str]:
    return [
        place.access, place.write_access, place.correct_access, place.correct_wiring, place.make(SOURCE),
        place.allow("temporal", "read", PATH), place.correct(PUSH, "wiring/push.yaml", 7),
    ]  # fmt: skip


def test_a_machine_has_files() -> None:
    texts = told(Place(Path("/srv/root")))
    assert "write /srv/root/access.yaml, then restart Lockstep" in texts
    assert "create /srv/root/namespaces/platform-data/source/<key>" in texts
    assert "correct wiring/push.yaml:7; it is read again when it is saved" in texts
    assert not any("kubectl" in text for text in texts)


def test_a_cluster_has_objects(cluster: Cluster) -> None:
    api: Api = eso.client(cluster)
    place = Place(Path("/srv/root"), api)
    texts = told(place)
    assert not any("/srv/root" in text for text in texts)
    assert "kubectl -n platform-data create secret generic source --from-file=<key>=<file>" in texts
    assert place.correct(PUSH, "the cluster", 0).endswith("kubectl -n platform-data edit pushsecret push")
    assert place.correct(PUSH, "ClusterExternalSecret all", 0).endswith("push (made by ClusterExternalSecret all)")
    api.close()


def test_an_object_has_no_line() -> None:
    assert (located("wiring/a.yaml", 3), located("the cluster", 0)) == ("wiring/a.yaml:3", "the cluster")
