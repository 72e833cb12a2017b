"""Metadata that templates may not set."""

import pytest

from functions._manifests.reserved import reserved_metadata


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("team", False),
        ("example.com/team", False),
        ("app.kubernetes.io/name", False),
        ("app.kubernetes.io/managed-by", True),
        ("kubernetes.io/service-account.name", True),
        ("lockstep.dev/owner", True),
        ("reconcile.external-secrets.io/managed", True),
        ("notlockstep.dev/owner", False),
        ("replicator.v1.mittwald.de/replicate-to", True),
        ("reflector.v1.k8s.emberstack.com/reflection-allowed", True),
    ],
)
def test_reserved(key: str, reserved: bool) -> None:
    assert reserved_metadata(key) is reserved
