"""Manifest bodies for tests."""

from typing import Any

from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret

STORE = {"name": "vault-backend", "kind": "ClusterSecretStore"}


def entry(key: str, path: str = "platform-data/postgres/temporal", name: str = "") -> dict[str, Any]:
    return {"match": {"secretKey": key, "remoteRef": {"remoteKey": path, "property": name or key}}}


def push_body(spec: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": "temporal", "namespace": "platform-data"},
        "spec": {
            "secretStoreRefs": [STORE],
            "selector": {"secret": {"name": "temporal.credentials"}},
            "data": [entry("username"), entry("password")],
            **(spec or {}),
        },
    }
    return {**body, **parts}


def push_secret(spec: dict[str, Any] | None = None, **parts: Any) -> PushSecret:
    return PushSecret.model_validate(push_body(spec, **parts))


def external_secret(**spec: Any) -> ExternalSecret:
    return ExternalSecret.model_validate(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "temporal", "namespace": "temporal"},
            "spec": {"secretStoreRef": STORE, **spec},
        }
    )


def mount_of(store: str) -> str | None:
    return {"vault-backend": "secret", "team": "team-a/kv"}.get(store)
