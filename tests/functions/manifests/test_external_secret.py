"""ExternalSecret: what it reads, and where it goes."""

from typing import Any

import pytest
from pydantic import ValidationError

from events.references import PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.external_secret import PathSearch
from tests.functions.manifests.samples import external_secret, mount_of

TEAM = {"storeRef": {"name": "team", "kind": "ClusterSecretStore"}}


def _data(key: str, **more: Any) -> dict[str, Any]:
    return {"secretKey": "a", "remoteRef": {"key": key}, **more}


def test_paths_are_named_once_and_in_order() -> None:
    external = external_secret(
        data=[_data("a/b"), _data("a/b"), _data("a/c", sourceRef=TEAM)],
        dataFrom=[{"extract": {"key": "x/y"}}, {"find": {"path": "p"}}],
    )
    assert [str(path) for path in external.paths(mount_of)] == ["secret/a/b", "team-a/kv/a/c", "secret/x/y"]


def test_a_find_searches_below_its_path() -> None:
    find = {"path": "platform-data/postgres/", "name": {"regexp": "temp"}, "tags": {"b": "2", "a": "1"}}
    external = external_secret(dataFrom=[{"find": find}, {"extract": {"key": "x"}}])
    (search,) = external.finds(mount_of)
    assert search == PathSearch("secret", "platform-data/postgres", "temp", (("a", "1"), ("b", "2")))
    for path, found in (("postgres/temporal", True), ("postgres/backstage", False), ("postgresql/temporal", False)):
        assert search.matches(PathRef(mount="secret", path=f"platform-data/{path}")) is found
    assert not search.matches(PathRef(mount="other", path="platform-data/postgres/temporal"))


def test_the_target_defaults_to_its_own_name() -> None:
    assert external_secret().target == SecretRef(namespace="temporal", name="temporal")
    named = external_secret(target={"name": "other", "immutable": True})
    assert named.target.name == "other"
    assert named.spec.target.immutable
    spec = external_secret().spec
    assert (spec.target.creation_policy, spec.target.deletion_policy) == ("Owner", "Retain")
    assert (spec.refresh_policy, spec.refresh_interval) == ("Periodic", 3600.0)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"secretStoreRef": {"name": "vault-backend"}, "data": [_data("a")]}, "refer to a ClusterSecretStore"),
        ({"secretStoreRef": None, "data": [_data("a")]}, "names no store"),
        ({"secretStoreRef": {"name": "x", "kind": "ClusterSecretStore"}, "data": [_data("a")]}, "not wired"),
        ({"data": [_data("../a")]}, "is not a path"),
        ({"dataFrom": [{"extract": {"key": "a b"}}]}, "is not a path"),
        ({"dataFrom": [{"find": {"path": "..", "name": {"regexp": "x"}}}]}, "is not a path"),
        ({"dataFrom": [{"find": {"name": {"regexp": "(?<=x)"}}}]}, "not valid RE2"),
        ({"dataFrom": [{"find": {"name": {"regexp": "x" * 1001}}}]}, "1001 characters"),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_what_to_mend(spec: dict[str, Any], part: str) -> None:
    external = external_secret(**spec)
    with pytest.raises(Reject, match=part):
        (external.paths(mount_of), external.finds(mount_of))


@pytest.mark.parametrize(
    "spec",
    [
        {"data": [_data("a") | {"secretKey": "a/b"}]},
        {"data": [_data("")]},
        {"dataFrom": [{}]},
        {"dataFrom": [{"extract": {"key": "a"}, "find": {}}]},
        {"dataFrom": [{"extract": {"key": "a"}, "rewrite": [{"regexp": {"source": "a"}, "merge": {}}]}]},
        {"target": {"immutable": "yes"}},
        {"target": {"creationPolicy": "owner"}},
        {"refreshInterval": 5},
        {"syncWindow": {}},
    ],
)
def test_what_eso_would_refuse_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        external_secret(**spec)
