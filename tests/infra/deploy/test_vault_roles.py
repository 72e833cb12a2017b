"""Kubernetes auth end to end: a real API server's tokens and TokenReviews, a real OpenBao's roles and policies."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functions import STEPS
from functions._failures import Unavailable
from functions._step import Step
from functions._values import SecretValue
from infra.deploy.manifests.installation import TARGETS, Installation, Target
from infra.deploy.manifests.workloads import account_of
from infra.deploy.vault_policies import SELF_SERVICE, grants
from infra.deploy.vault_roles import AUDIENCE, role
from infra.deploy.wired import Wired
from infra.hosts.checks.permissions import expected_at, probe
from infra.stores.vault.auth import KubernetesAuth, Token
from infra.stores.vault.http import HttpClient
from infra.stores.vault.token_keeper import TokenKeeper
from infra.testbed.cluster import Cluster
from infra.testbed.commands import Layout
from tests.infra.deploy.manifests import kit
from tests.infra.deploy.manifests.at_authority import MOUNT, follow, reviewer
from tests.instance import wait_for
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e


@dataclass
class Applied:
    """A cluster and an authority, set up by what was rendered and by nothing else."""

    cluster: Cluster
    openbao: OpenBao
    rendered: dict[str, str]
    wired: Wired
    opened: list[HttpClient] = field(default_factory=list)

    def http(self) -> HttpClient:
        client = self.openbao.http()
        self.opened.append(client)
        return client

    def login(self, step: str, token: str) -> Token:
        jwt = SecretValue.of(token)
        return KubernetesAuth(self.http(), f"lockstep-{step}", lambda: jwt).login()

    def token(self, account: str, audience: str = AUDIENCE, namespace: str = "lockstep") -> str:
        return self.cluster.service_account_token(namespace, account, [audience], 600)

    def capabilities(self, token: Token, paths: list[str]) -> dict[str, frozenset[str]]:
        """What a token says that it may do, asked with itself."""
        answer = self.http().request(
            "POST", "sys/capabilities-self", token=token.value, body={"paths": paths}, kind="test"
        )
        assert answer.status == 200, answer
        data = answer.body.get("data") or answer.body
        return {path: frozenset(data[path]) - {"deny"} for path in paths}


@pytest.fixture
def applied(cluster: Cluster, openbao: OpenBao, tmp_path: Path) -> Iterator[Callable[[Target], Applied]]:
    """Everything rendered for a target and two teams, applied to the shared cluster and the shared authority."""
    made: list[Applied] = []

    def apply(target: Target = "knative") -> Applied:
        known = kit.wiring(tmp_path / target, kit.teams("auth"))
        files = kit.files(known, Installation(target=target))
        for namespace in known.wired.objects.namespaces:
            kit.ensure_namespace(cluster, namespace)
        inside = ("00-namespace.yaml", "10-accounts.yaml")
        kit.apply(cluster, kit.documents({name: files[name] for name in inside}))
        follow(openbao, files, reviewer(cluster))
        made.append(Applied(cluster, openbao, files, known.wired))
        return made[-1]

    yield apply
    for each in made:
        for client in each.opened:
            client.close()


# --- who gets in ---


@pytest.mark.parametrize("target", TARGETS)
def test_each_step_logs_in_with_the_account_that_runs_it(applied: Callable[[Target], Applied], target: Target) -> None:
    at = applied(target)
    for step in STEPS:
        token = at.login(step.name, at.token(account_of(step, Installation(target=target))))
        assert token.renewable
        assert 0 < token.lease <= 600
        answer = at.http().request("GET", "auth/token/lookup-self", token=token.value, kind="test")
        assert answer.body["data"]["policies"] == [f"lockstep-{step.name}"]


def test_the_alias_is_the_accounts_uid(applied: Callable[[], Applied]) -> None:
    at = applied()
    uid = at.cluster.admin.get("/api/v1/namespaces/lockstep/serviceaccounts/publish")["metadata"]["uid"]
    token = at.login("publish", at.token("publish"))
    entity = at.openbao.admin().call(
        "POST", "auth/token/lookup", body={"token": token.value.reveal().decode()}, kind="test"
    ).body["data"]["entity_id"]  # fmt: skip
    aliases = at.openbao.admin().call("GET", f"identity/entity/id/{entity}", kind="test").body["data"]["aliases"]
    assert [alias["name"] for alias in aliases] == [uid]


def test_no_account_gets_another_steps_role(applied: Callable[[], Applied]) -> None:
    at = applied()
    for account in STEPS:
        jwt = at.token(account.name)
        for other in STEPS:
            if other is not account:
                refused(at, other.name, jwt)


def test_an_account_of_that_name_elsewhere_is_refused(applied: Callable[[], Applied], namespace: str) -> None:
    at = applied()
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    at.cluster.admin.post(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "publish"}})
    refused(at, "publish", at.token("publish", namespace=namespace))


@pytest.mark.parametrize("audience", ["https://kubernetes.default.svc.cluster.local", "somebody-else"])
def test_another_audience_is_refused(applied: Callable[[], Applied], audience: str) -> None:
    at = applied()
    refused(at, "publish", at.token("publish", audience))


def test_a_token_of_an_account_that_is_gone_is_refused(applied: Callable[[], Applied], namespace: str) -> None:
    """Signed and in date: only the TokenReview knows."""
    at = applied()
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    at.cluster.admin.post(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "publish"}})
    mine = role(STEPS[0], namespace=namespace)
    at.openbao.admin().call("POST", f"auth/{MOUNT}/role/{namespace}", body=dict(mine.parameters), kind="test")
    jwt = SecretValue.of(at.token("publish", namespace=namespace))
    auth = KubernetesAuth(at.http(), namespace, lambda: jwt)
    assert auth.login().lease > 0
    at.cluster.admin.delete(f"{path}/publish")
    # The API server remembers for some seconds that the token was good.
    wait_for(lambda: told(auth), "the refusal of a token whose account is gone")
    assert "check its bound ServiceAccount, namespace and audience" in told(auth)


def told(auth: KubernetesAuth) -> str:
    """Why a login is refused; "" where it is not."""
    try:
        auth.login()
    except Unavailable as failure:
        return failure.reason
    return ""


def test_an_expired_token_is_refused(applied: Callable[[], Applied]) -> None:
    """The cluster's own signature over its own claims, whose time is over."""
    at = applied()
    token = at.token("publish")
    assert at.login("publish", signed_anew(at.cluster, token, later=-1)).lease > 0
    refused(at, "publish", signed_anew(at.cluster, token, later=-7200))


def signed_anew(cluster: Cluster, token: str, later: int) -> str:
    """A token with its times moved by so many seconds, signed with the key that the cluster signs with."""
    head, claims, _ = token.split(".")
    moved = json.loads(base64.urlsafe_b64decode(claims + "=="))
    for name in ("iat", "nbf", "exp"):
        moved[name] += later
    payload = f"{head}.{base64.urlsafe_b64encode(json.dumps(moved).encode()).decode().rstrip('=')}"
    key = str(Layout(cluster.directory).signing_key)
    signing = ["openssl", "dgst", "-sha256", "-sign", key]
    signature = raw_signature(subprocess.run(signing, input=payload.encode(), capture_output=True, check=True).stdout)
    return f"{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def raw_signature(der: bytes) -> bytes:
    """An ECDSA signature as a JWT has it: both numbers, 32 bytes each, without DER around them."""
    first = der[4 : 4 + der[3]]
    second = der[6 + der[3] :]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, second))


# --- what each may do then ---


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_steps_token_may_do_what_it_declares_and_nothing_else(applied: Callable[[], Applied], step: Step) -> None:
    """Asked with the token itself, about every pattern of every step: its own, and the others'."""
    at = applied()
    token = at.login(step.name, at.token(step.name))
    paths = at.wired.paths
    granted = {each.name: grants(each, paths) for each in STEPS}
    asked = sorted({probe(pattern) for each in granted.values() for pattern in each} | forbidden())
    found = at.capabilities(token, asked)
    assert found == {path: expected_at(path, granted[step.name]) for path in asked}
    assert all(found[path] for path, _ in SELF_SERVICE)
    assert not any(found[path] for path in forbidden())


def forbidden() -> set[str]:
    """What no step may touch: what is not wired, roles and policies, administration."""
    paths = {f"auth/{MOUNT}/role/lockstep-{step.name}" for step in STEPS}
    paths |= {f"sys/policies/acl/lockstep-{step.name}" for step in STEPS}
    paths |= {f"secret/{area}/auth/not-wired" for area in ("data", "metadata", "delete", "destroy", "undelete")}
    return paths | {
        f"auth/{MOUNT}/config", f"sys/auth/{MOUNT}", "auth/token/create", "sys/mounts/secret", "sys/seal",
        "lockstep-transit/keys/ledger", "lockstep-transit/export/signing-key/ledger", "identity/entity",
    }  # fmt: skip


def test_paths_that_no_step_has_in_common_are_each_its_own(applied: Callable[[], Applied]) -> None:
    """By hand, so that the table above does not only agree with itself."""
    at = applied()
    paths = [
        "secret/data/auth/one",
        "lockstep/data/claims/x",
        "lockstep/data/anchors/local_ledger",
        "lockstep-transit/sign/ledger",
    ]
    found = {step.name: at.capabilities(at.login(step.name, at.token(step.name)), paths) for step in STEPS}
    assert {name: sorted(each[paths[0]]) for name, each in found.items() if each[paths[0]]} == {
        "publish": ["create", "read", "update"], "materialize": ["read"], "retract": ["create", "read", "update"],
        "index": ["read"], "contain": ["read"],
    }  # fmt: skip
    assert {name for name, each in found.items() if each[paths[1]]} == {
        "publish", "retract", "create", "promote", "contain",
    }  # fmt: skip
    assert {name for name, each in found.items() if each[paths[2]] | each[paths[3]]} == {"record"}


def test_only_promote_writes_what_is_rotated_and_only_verify_proves_it(applied: Callable[[], Applied]) -> None:
    """By hand, as above."""
    at = applied()
    paths = ["secret/data/auth/rotated", "lockstep/data/proofs/x", "lockstep/data/pending/x"]
    found = {step.name: at.capabilities(at.login(step.name, at.token(step.name)), paths) for step in STEPS}
    writers = [{name for name, each in found.items() if each[path] & {"create", "update"}} for path in paths]
    assert writers == [{"promote"}, {"verify"}, {"create", "apply"}]
    assert {name for name, each in found.items() if each[paths[0]]} == {
        "create", "apply", "promote", "revoke", "index", "contain",
    }  # fmt: skip
    assert {name for name, each in found.items() if each[paths[1]]} == {"verify", "promote"}


def test_a_token_is_renewed_and_replaced_in_time(applied: Callable[[], Applied]) -> None:
    at = applied()
    logins: list[str] = []

    def jwt() -> SecretValue:
        logins.append("asked")
        return SecretValue.of(at.token("publish"))

    clock = [0.0]
    keeper = TokenKeeper(at.http(), KubernetesAuth(at.http(), "lockstep-publish", jwt), lambda: clock[0], lambda: 0.0)
    first = keeper.value()
    clock[0] = 450.0  # past two thirds of ten minutes
    assert keeper.value() == first
    assert len(logins) == 1, "renewed, not logged in anew"
    clock[0] = 450.0 + 700.0  # its lease went by while nobody asked
    assert keeper.value() != first
    assert len(logins) == 2, "the ServiceAccount proved itself anew"
    keeper.close()


def refused(at: Applied, step: str, jwt: str) -> None:
    with pytest.raises(Unavailable, match=f"refuses the role lockstep-{step}") as failure:
        at.login(step, jwt)
    assert jwt not in str(failure.value)
