"""ClusterSecretStore: the mount, what is ignored, and who is let in."""

from typing import Any

import pytest
from pydantic import ValidationError

from functions._manifests.cluster_secret_store import ClusterSecretStore


def _store(provider: dict[str, Any], **spec: Any) -> ClusterSecretStore:
    return ClusterSecretStore.model_validate(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ClusterSecretStore",
            "metadata": {"name": "vault-backend"},
            "spec": {"provider": provider, **spec},
        }
    )


@pytest.mark.parametrize(
    ("provider", "mount"),
    [
        ({"vault": {}}, "secret"),
        ({"vault": {"path": "kv/team", "namespace": "a/b"}}, "a/b/kv/team"),
        ({"vault": {"version": "v1"}}, None),
        ({"aws": {"service": "SecretsManager"}}, None),
    ],
)
def test_the_mount(provider: dict[str, Any], mount: str | None) -> None:
    assert _store(provider).mount == mount


def test_what_is_ignored_is_said() -> None:
    auth = {"kubernetes": {"mountPath": "kubernetes", "role": "external-secrets"}}
    store = _store({"vault": {"server": "https://v", "auth": auth, "caBundle": "x"}}, controller="c")
    assert [notice.split(" is ")[0] for notice in store.notices] == [
        "spec.provider.vault.server", "spec.provider.vault.auth", "spec.provider.vault.caBundle", "spec.controller",
    ]  # fmt: skip
    assert _store({"vault": {}}).notices == ()
    assert "aws" in _store({"aws": {}}).notices[0]


@pytest.mark.parametrize(
    "provider", [{}, {"vault": {}, "aws": {}}, {"vault": {"path": "/x"}}, {"vault": {"mount": "x"}}]
)
def test_what_eso_would_refuse_is_refused(provider: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _store(provider)


@pytest.mark.parametrize(
    ("conditions", "namespace", "admitted"),
    [
        ([], "any", True),
        ([{"namespaces": ["a"]}, {"namespaces": ["b"]}], "b", True),
        ([{"namespaces": ["a"]}], "b", False),
        ([{"namespaceRegexes": ["^team-[a-z]$"]}], "team-x", True),
        ([{"namespaceRegexes": ["^team-[a-z]$"]}], "a-team-x", False),
        ([{"namespaceRegexes": ["(?=x)"]}], "x", False),
        ([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}], "a", True),
        ([{"namespaceSelector": {"matchLabels": {"team": "a"}}}], "a", False),
        ([{}], "a", False),
    ],
)
def test_who_is_let_in(conditions: list[dict[str, Any]], namespace: str, admitted: bool) -> None:
    refusal = _store({"vault": {}}, conditions=conditions).refusal(namespace)
    assert (refusal is None) is admitted
