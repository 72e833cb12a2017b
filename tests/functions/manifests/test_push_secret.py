"""PushSecret: what it writes, and what it refuses as a whole."""

from typing import Any

import pytest
from pydantic import ValidationError

from events.references import PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.push_secret import PushEntry
from tests.functions.manifests.samples import STORE, entry, mount_of, push_secret


def test_entries_of_one_path_are_one_write_in_their_order() -> None:
    other = "platform-config/postgres/main"
    push = push_secret({"data": [entry("b"), entry("host", other), entry("a")]})
    found = push.entries(mount_of)
    assert {str(path): [each.secret_key for each in entries] for path, entries in found.items()} == {
        "secret/platform-data/postgres/temporal": ["b", "a"],
        "secret/platform-config/postgres/main": ["host"],
    }
    first = PathRef(mount="secret", path="platform-data/postgres/temporal")
    assert found[first][0] == PushEntry(secret_key="b", property="b")


def test_every_store_gets_its_write() -> None:
    team = {"name": "team", "kind": "ClusterSecretStore"}
    push = push_secret({"secretStoreRefs": [STORE, team]})
    assert [path.mount for path in push.entries(mount_of)] == ["secret", "team-a/kv"]
    assert push.stores == ("vault-backend", "team")


def test_the_defaults_are_esos() -> None:
    spec = push_secret().spec
    assert (spec.update_policy, spec.deletion_policy, spec.refresh_interval) == ("Replace", "None", 3600.0)


def test_a_source_is_named_or_selected() -> None:
    assert push_secret().source == SecretRef(namespace="platform-data", name="temporal.credentials")
    selecting = push_secret({"selector": {"secret": {"selector": {"matchLabels": {"a": "b"}}}}})
    assert selecting.source is None
    assert selecting.spec.selector.secret.selector is not None


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"secretStoreRefs": [{"name": "vault-backend"}]}, "refer to a ClusterSecretStore"),
        ({"secretStoreRefs": [{"name": "none", "kind": "ClusterSecretStore"}]}, "not wired"),
        ({"secretStoreRefs": [{"labelSelector": {}, "kind": "ClusterSecretStore"}]}, "by label"),
        ({"secretStoreRefs": []}, "names no store"),
        ({"data": [entry("")]}, "whole Secret"),
        ({"data": [entry("a", "../x")]}, "is not a path"),
        ({"data": [entry("a", "x//y")]}, "is not a path"),
        ({"data": [entry("a", name="p"), entry("b", name="p")]}, "twice"),
        ({"data": [entry("a"), {"match": {"secretKey": "b", "remoteRef": entry("a")["match"]["remoteRef"]}}]}, "twice"),
        (
            {"data": [entry("a", "p/q"), {"match": {"secretKey": "b", "remoteRef": {"remoteKey": "p/q"}}}]},
            "as a whole and by property",
        ),
    ],
)
def test_what_cannot_be_written_whole_is_refused_whole(spec: dict[str, Any], part: str) -> None:
    with pytest.raises(Reject, match=part):
        push_secret({**spec, "data": [*spec.get("data", []), entry("fine", "fine/path")]}).entries(mount_of)


@pytest.mark.parametrize(
    "spec",
    [
        {"selector": {"secret": {"name": "a", "selector": {}}}},
        {"selector": {}},
        {"selector": {"secret": {"name": "a"}, "generatorRef": {"kind": "Password", "name": "p"}}},
        {"updatePolicy": "Merge"},
        {"surprise": 1},
        {"data": [{"match": {"secretKey": "a"}}]},
        {"template": {"engineVersion": "v1"}},
        {"template": {"templateFrom": [{"literal": "a", "secret": {"name": "b"}}]}},
    ],
)
def test_what_eso_would_refuse_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        push_secret(spec)


def test_a_generator_is_recognised() -> None:
    push = push_secret({"selector": {"generatorRef": {"apiVersion": "v1", "kind": "Password", "name": "p"}}})
    assert push.spec.selector.generator_ref is not None
    assert push.spec.selector.secret.name is None
