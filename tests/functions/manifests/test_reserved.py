"""Metadata that templates may not set, and mounts that stores may not name."""

import pytest

from functions._manifests.reserved import reserved_metadata, reserved_mount


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


@pytest.mark.parametrize("mount", ["secret", "team-a/secret", "data", "kv/lockstep-values", "lockstepped", "Lockstep"])
def test_mounts_of_values(mount: str) -> None:
    assert reserved_mount(mount) is None


@pytest.mark.parametrize(
    ("mount", "word"),
    [
        ("sys", "authority's own"),
        ("team-a/sys", "authority's own"),
        ("auth/approle", "authority's own"),
        ("identity", "authority's own"),
        ("lockstep", "own documents"),
        ("lockstep/data/claims", "own documents"),
        ("root/lockstep", "own documents"),
        ("lockstep-transit", "own documents"),
        ("secret/data", "no mount but paths"),
        ("secret/data/platform-data", "no mount but paths"),
        ("team-a/secret/metadata/x", "no mount but paths"),
    ],
)
def test_reserved_mounts(mount: str, word: str) -> None:
    assert word in (reserved_mount(mount) or "")


def test_mounts_that_the_operator_chose() -> None:
    assert reserved_mount("team/claims", ("team/claims",)) is not None
    assert reserved_mount("team/claims/x", ("team/claims",)) is not None
    assert reserved_mount("team", ("team/claims",)) is None
