"""ownerReferences: whose end is the end of a Secret."""

import time
from typing import Any

import pytest

from events.references import ManifestRef, SecretRef
from functions._marks import CREATION_POLICY
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.kubernetes.resources import SECRETS
from infra.stores.kubernetes.ownership import controller_of, owner_references
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from tests import eso
from tests.infra.stores.kubernetes_producers import api_for

UID = "5c1c0d7e-0000-4000-8000-000000000001"
OURS = {
    "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "db", "uid": UID,
    "blockOwnerDeletion": True, "controller": True,
}  # fmt: skip
THEIRS = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "other-uid", "controller": True}
DEADLINE = 60.0


def content(policy: str, owner: str = "ExternalSecret temporal/db") -> SecretContent:
    return SecretContent(
        data={"k": SecretValue.of("1")}, stamp={}, owner=owner, managed=frozenset("k"),
        annotations={CREATION_POLICY: policy},
    )  # fmt: skip


def uid_of(ref: ManifestRef) -> str | None:
    return UID if ref.name == "db" else None


@pytest.mark.parametrize(
    ("policy", "found", "made"),
    [
        ("Owner", [], [OURS]),
        ("Owner", [{**OURS, "uid": "of-one-that-was-made-anew"}], [OURS]),
        ("Owner", [THEIRS], [THEIRS, {**OURS, "controller": False}]),
        ("Orphan", [OURS, THEIRS], [THEIRS]),
        ("Merge", [OURS], []),
        ("Merge", [THEIRS, "odd"], [THEIRS]),
        ("Owner", "odd", [OURS]),
    ],
)
def test_there_is_one_of_ours_exactly_under_creation_policy_owner(policy: str, found: Any, made: Any) -> None:
    assert owner_references(content(policy), {"ownerReferences": found}, uid_of) == made


@pytest.mark.parametrize("owner", ["ExternalSecret temporal/unknown", "", "nonsense"])
def test_without_a_known_uid_there_is_none(owner: str) -> None:
    assert owner_references(content("Owner", owner), {"ownerReferences": [THEIRS]}, uid_of) == [THEIRS]


@pytest.mark.parametrize(
    ("references", "owner"),
    [
        ([OURS], "ExternalSecret temporal/db"),
        ([THEIRS, {**OURS, "apiVersion": "external-secrets.io/v1beta1"}], "ExternalSecret temporal/db"),
        ([{**OURS, "uid": "of-one-that-was-made-anew"}], ""),
        ([{**OURS, "controller": False}], ""),
        ([{**OURS, "apiVersion": "other.io/v1"}], ""),
        ([{**OURS, "name": "not-wired"}], ""),
        ([{**OURS, "name": "not a name"}, "odd"], ""),
        ([THEIRS], ""),
        ("odd", ""),
    ],
)
def test_what_another_operator_made_belongs_to_its_external_secret(references: Any, owner: str) -> None:
    assert controller_of({"ownerReferences": references}, "temporal", uid_of) == owner


def test_the_cluster_deletes_a_secret_with_its_external_secret(eso_cluster: Cluster, namespace: str) -> None:
    made = eso.apply(eso_cluster, eso.external_body(namespace, "store", "a/b", name="db"))
    api = api_for(eso_cluster)
    secrets = KubernetesSecrets(api, lambda ref: made["metadata"]["uid"])
    owner = f"ExternalSecret {namespace}/db"
    for name, policy in (("owned", "Owner"), ("kept", "Orphan")):
        secrets.create(SecretRef(namespace=namespace, name=name), content(policy, owner))
    eso_cluster.admin.delete(eso.place(made))
    end = time.monotonic() + DEADLINE
    while api.get(SECRETS, "owned", namespace, metadata_only=True) is not None:
        assert time.monotonic() < end, "the garbage collector leaves it"
        time.sleep(0.05)
    kept = api.get(SECRETS, "kept", namespace, metadata_only=True)
    assert kept is not None
    assert "ownerReferences" not in kept["metadata"]
    api.close()
