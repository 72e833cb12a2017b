"""What `check` says of the namespaces of a cluster."""

from typing import Any

import pytest

from functions._failures import Unavailable
from infra.hosts.checks.namespaces import REVIEWS, cluster_namespaces
from infra.kubernetes.resources import Object, Resource
from infra.testbed.cluster import Cluster
from tests import eso


class Known:
    """A cluster in which one namespace is as said, and in which some verbs are not allowed."""

    def __init__(self, found: Object | None, refused: tuple[str, ...] = ()) -> None:
        self._found, self._refused = found, refused

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return self._found

    def create(self, resource: Resource, body: dict[str, Any], namespace: str | None = None) -> Object:
        assert resource is REVIEWS
        return {"status": {"allowed": body["spec"]["resourceAttributes"]["verb"] not in self._refused}}


@pytest.mark.parametrize(
    ("known", "status", "says"),
    [
        (Known({"metadata": {}}), "ok", "RBAC lets us"),
        (Known({"metadata": {}}, ("create", "delete")), "fail", "RBAC does not let us create, delete its Secrets"),
        (Known({"metadata": {"deletionTimestamp": "now"}}), "fail", "being deleted"),
        (Known(None), "fail", "does not exist"),
    ],
)
def test_namespaces(known: Known, status: str, says: str) -> None:
    (found,) = cluster_namespaces(known, ["temporal"])
    assert (found.name, found.status) == ("namespace temporal", status)
    assert says in found.message
    assert bool(found.action) == (status != "ok")


def test_not_being_told_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Known(None)

    def down(*_: object) -> None:
        raise Unavailable("kubernetes", "it is down")

    monkeypatch.setattr(known, "get", down)
    (found,) = cluster_namespaces(known, ["temporal"])
    assert (found.status, "it is down" in found.message) == ("warn", True)


def test_a_real_api_server_is_asked(cluster: Cluster, namespace: str) -> None:
    api = eso.client(cluster)
    assert [one.status for one in cluster_namespaces(api, [namespace, "0-not-there"])] == ["fail", "ok"]
    api.close()


def test_an_account_without_rights_is_told(cluster: Cluster, namespace: str) -> None:
    api = eso.client(cluster, cluster.service_account_token(namespace, "default"))
    (found,) = cluster_namespaces(api, [namespace])
    assert (found.status, "namespaces" in found.message) == ("warn", True)
    api.close()


def test_at_most_a_hundred_are_asked() -> None:
    found = list(cluster_namespaces(Known({"metadata": {}}), [f"n{number}" for number in range(103)]))
    assert (len(found), found[-1].message) == (101, "3 more were not asked about")
