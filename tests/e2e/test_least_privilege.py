"""Each step's own token on a running instance: it may do what the step declares, and nothing else."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from functions import STEPS
from functions._capability import Capability
from functions._step import Step
from infra.deploy.vault_policies import ROTATING
from infra.hosts.openbao.identities import Identities
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper
from tests.e2e.conftest import Team, copied
from tests.instance import Running, external_secret, push_secret

CAS = {"options": {"cas": 999_999}, "data": {"password": "never written"}}
_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Request:
    """An operation at the authority, and the capabilities of which any one grants it."""

    method: str
    path: str
    granted_by: frozenset[Capability] = frozenset()
    body: Any = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Wired:
    """An instance with a producer's path, and one that only consumers read."""

    up: Running
    produced: str
    consumed: str


@pytest.fixture(scope="module")
def wired(established: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    team = Team(1)
    installation = copied(established, tmp_path_factory.mktemp("privileges") / "root")
    consumed = "platform-data/postgres/of-the-authority"
    installation.wire(
        team.name,
        push_secret("postgres", team.source, team.path, deletionPolicy="Delete"),
        external_secret(team.target, team.path),
        external_secret(f"{team.consumer}/other", consumed),
    )
    with installation.running() as up:
        up.at.put(team.producer, "credentials", {"password": b"one"})
        up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": b"one"}, "the first value")
        yield Wired(up, team.path, consumed)


def requests(produced: str, consumed: str) -> dict[str, Request]:
    """Everything that a step might want, or that a thief of its token would."""
    read, write, nobody = (
        frozenset({Capability.AUTHORITY_READ}),
        frozenset({Capability.AUTHORITY_WRITE}),
        frozenset[Capability](),
    )
    claims, tombstones = "lockstep/data/claims/0", "lockstep/data/tombstones/local_0"
    tombstone_reader = frozenset({Capability.TOMBSTONE_READ})
    tombstone_writer, ledger = frozenset({Capability.TOMBSTONE_WRITE}), frozenset({Capability.LEDGER_WRITE})
    metadata = frozenset({Capability.AUTHORITY_METADATA})
    signature = {"input": "eA=="}
    return {
        "read a produced path": Request("GET", f"secret/data/{produced}", read),
        "read a consumed path": Request("GET", f"secret/data/{consumed}", read),
        "read an unwired path": Request("GET", "secret/data/platform-data/postgres/unwired", nobody),
        "write a produced path": Request("POST", f"secret/data/{produced}", write, CAS),
        "write a consumed path": Request("POST", f"secret/data/{consumed}", nobody, CAS),
        "write an unwired path": Request("POST", "secret/data/platform-data/postgres/unwired", nobody, CAS),
        "read metadata": Request("GET", f"secret/metadata/{produced}", metadata),
        "list paths": Request("LIST", "secret/metadata/platform-data/postgres", nobody),
        "mirror a claim": Request(
            "PATCH", f"secret/metadata/{produced}", frozenset({Capability.CLAIM_WRITE}), {"custom_metadata": {}}, _PATCH
        ),
        "replace metadata": Request("POST", f"secret/metadata/{consumed}", nobody, {"max_versions": 1}),
        "delete versions": Request(
            "PUT", f"secret/delete/{produced}", frozenset({Capability.AUTHORITY_DELETE}), {"versions": [999]}
        ),
        "delete versions of a consumed path": Request("PUT", f"secret/delete/{consumed}", nobody, {"versions": [999]}),
        "destroy versions": Request("PUT", f"secret/destroy/{produced}", nobody, {"versions": [999]}),
        "undelete versions": Request("PUT", f"secret/undelete/{produced}", nobody, {"versions": [999]}),
        "delete a path whole": Request("DELETE", f"secret/metadata/{produced}", nobody),
        "read a claim": Request("GET", claims, frozenset({Capability.CLAIM_READ})),
        "write a claim": Request("POST", claims, frozenset({Capability.CLAIM_WRITE}), CAS),
        "delete a claim": Request("DELETE", claims, nobody),
        "destroy a claim": Request("PUT", "lockstep/destroy/claims/0", nobody, {"versions": [999]}),
        "list claims": Request("LIST", "lockstep/metadata/claims", nobody),
        "read a tombstone": Request("GET", tombstones, tombstone_reader),
        "list tombstones": Request("LIST", "lockstep/metadata/tombstones", tombstone_reader),
        "write a tombstone": Request("POST", tombstones, tombstone_writer, CAS),
        "forget a tombstone": Request("DELETE", "lockstep/metadata/tombstones/local_0", tombstone_writer),
        "read the anchor": Request("GET", "lockstep/data/anchors/local_ledger", ledger),
        "write the anchor": Request("POST", "lockstep/data/anchors/local_ledger", ledger, CAS),
        "read the anchor of the release before": Request("GET", "lockstep/data/anchors/ledger", ledger),
        "write another cluster's anchor": Request("POST", "lockstep/data/anchors/other_ledger", nobody, CAS),
        "delete the anchor": Request("DELETE", "lockstep/data/anchors/local_ledger", nobody),
        "sign": Request("POST", "lockstep-transit/sign/ledger", ledger, signature),
        "sign with another key": Request("POST", "lockstep-transit/sign/other", nobody, signature),
        "read the key": Request("GET", "lockstep-transit/keys/ledger", nobody),
        "export the key": Request("GET", "lockstep-transit/export/signing-key/ledger", nobody),
        "make a token": Request("POST", "auth/token/create", nobody, {}),
        "read policies": Request("GET", "sys/policies/acl/lockstep-publish", nobody),
        "write policies": Request("POST", "sys/policies/acl/lockstep-publish", nobody, {"policy": ""}),
        "make credentials": Request("POST", "auth/approle/role/lockstep-publish/secret-id", nobody, {}),
        "mount": Request("POST", "sys/mounts/mine", nobody, {"type": "kv"}),
        "audit": Request("GET", "sys/audit", nobody),
        "seal": Request("PUT", "sys/seal", nobody, {}),
        "snapshot": Request("GET", "sys/storage/raft/snapshot", nobody),
        "root": Request("PUT", "sys/generate-root/attempt", nobody, {}),
    }


REQUESTS = sorted(requests("", ""))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_steps_token_may_do_what_it_declares_and_nothing_else(wired: Wired, step: Step) -> None:
    token = log_in(wired.up, step.name)
    found = {name: allowed(wired.up, token, one) for name, one in requests(wired.produced, wired.consumed).items()}
    # Steps that rotate are let at the values of rotations alone, and none of these is one.
    values = {"read a produced path", "read a consumed path", "mirror a claim"} if step.needs & ROTATING else set[str]()
    expected = {
        name: bool(one.granted_by & step.needs) and name not in values
        for name, one in requests(wired.produced, wired.consumed).items()
    }
    assert found == expected


def log_in(up: Running, step: str) -> str:
    """A token in the step's name, with what lies in ROOT/state/identities."""
    identity = Identities(up.root / "state" / "identities").read(f"lockstep-{step}")
    assert identity is not None
    http_client = HttpClient(VaultSettings(up.authority))
    try:
        keeper = TokenKeeper(http_client, AppRoleAuth(http_client, identity.role_id, identity.secret_id))
        return keeper.value().reveal().decode()
    finally:
        http_client.close()


def allowed(up: Running, token: str, request: Request) -> bool:
    """Whether the authority's policy lets it through, whatever comes of it then."""
    connection = http.client.HTTPConnection(up.authority.removeprefix("http://"), timeout=10)
    try:
        body = json.dumps(request.body) if request.body is not None else None
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true", "Content-Type": request.content_type}
        connection.request(request.method, f"/v1/{request.path}", body=body, headers=headers)
        answer = connection.getresponse()
        said = answer.read().decode()
    finally:
        connection.close()
    assert answer.status < 500 or "permission denied" in said, (request, answer.status, said)
    return answer.status not in (403, 405) and "permission denied" not in said  # 405: the server has it switched off


def test_the_identities_are_the_owners_alone(wired: Wired) -> None:
    folder = wired.up.root / "state" / "identities"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert (wired.up.root / "state").stat().st_mode & 0o777 == 0o700


def test_a_new_path_is_granted_when_it_is_wired_and_not_before(wired: Wired) -> None:
    up, team = wired.up, Team(2)
    token = log_in(up, "materialize")
    reading = Request("GET", f"secret/data/{team.path}")
    assert not allowed(up, token, reading)
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
    up.at.put(team.producer, "credentials", {"password": b"two"})
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": b"two"}, "the new path's value")
    assert allowed(up, token, reading)
