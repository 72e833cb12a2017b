"""What the rendered policies mean to a real OpenBao: all that a step needs, and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from events.consumer import WorkloadRef
from events.references import ManifestRef, PathRef
from functions import STEPS
from functions._capability import Capability
from functions._failures import Reject, Unavailable
from functions._ports import Claim, Tombstone
from functions._step import Step
from functions._values import SecretValue
from functions._workloads import Reminder, Rollout
from infra.deploy.vault_policies import ROTATING, WiredPaths, render
from infra.hosts.openbao.embedded import EmbeddedOpenBao
from infra.stores.vault.anchors import Anchor, VaultAnchors
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.budgets import VaultBudgets
from infra.stores.vault.claims import VaultClaims, claim_name
from infra.stores.vault.client import VaultClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.reminders import VaultReminders
from infra.stores.vault.rollouts import VaultRollouts
from infra.stores.vault.tombstones import VaultTombstones
from infra.stores.vault.transit import TransitSigner
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e

PRODUCED, CONSUMED, RETIRING, UNWIRED, FOUND = (
    PathRef(mount="secret", path=f"policies/{name}")
    for name in ("produced", "consumed", "retiring", "unwired", "searched/found")
)
WIRED = WiredPaths(
    frozenset({PRODUCED}), frozenset({CONSUMED}), frozenset({RETIRING}), frozenset({("secret", "policies/searched")})
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXISTING = "e" * 32  # a tombstone
C = Capability


@pytest.fixture(scope="module")
def served(openbao_server: EmbeddedOpenBao) -> Iterator[OpenBao]:
    openbao = OpenBao(openbao_server)
    openbao_server.warden.apply(render(step, WIRED) for step in STEPS)
    for step in STEPS:
        openbao_server.warden.admit(openbao_server.identity(step.name))
    engine = openbao.engine()
    for path in (PRODUCED, CONSUMED, RETIRING, UNWIRED, FOUND):
        engine.write(path.mount, path.path, {"a": "1"}, 0)
    VaultClaims(engine, print).create(claim(CONSUMED))
    VaultTombstones(engine).create(tombstone(EXISTING))
    VaultAnchors(engine).write(replace(ANCHOR, revision=current_anchor(engine)))
    yield openbao
    tombstones = VaultTombstones(engine)
    for left in tombstones.list():  # the server is shared: another test's sweep would go by it
        tombstones.remove(left)
    for path in (PRODUCED, CONSUMED, RETIRING, UNWIRED, FOUND):
        engine.delete_metadata(path.mount, path.path)
        engine.delete_metadata("lockstep", claim_name(path))
    openbao.close()


def claim(path: PathRef) -> Claim:
    return Claim(path, "PushSecret team/app", "local", "u", "producer", 1, "active")


def tombstone(tombstone_id: str) -> Tombstone:
    manifest = ManifestRef(kind="PushSecret", namespace="team", name="app")
    return Tombstone(tombstone_id, manifest, RETIRING, "delete-path", NOW, NOW)


ANCHOR = Anchor(1, "ab", "vault:v1:c2ln", 1, NOW)


def current_anchor(engine: KvEngine) -> int:
    found = VaultAnchors(engine).read()
    return found.revision if found else 0


# --- the matrix: every kind of path, what each capability gives there ---

GRANTS: dict[str, dict[Capability, set[str]]] = {
    "secret/data/policies/produced": {C.AUTHORITY_READ: {"read"}, C.AUTHORITY_WRITE: {"create", "update"}},
    "secret/data/policies/retiring": {C.AUTHORITY_READ: {"read"}, C.AUTHORITY_WRITE: {"create", "update"}},
    "secret/data/policies/consumed": {C.AUTHORITY_READ: {"read"}},
    "secret/data/policies/searched/found": {C.AUTHORITY_READ: {"read"}},
    "secret/metadata/policies/produced": {C.AUTHORITY_METADATA: {"read"}, C.CLAIM_WRITE: {"create", "patch"}},
    "secret/metadata/policies/retiring": {C.AUTHORITY_METADATA: {"read"}, C.CLAIM_WRITE: {"create", "patch"}},
    "secret/metadata/policies/consumed": {C.AUTHORITY_METADATA: {"read"}},
    "secret/metadata/policies/searched/found": {C.AUTHORITY_METADATA: {"read"}, C.AUTHORITY_LIST: {"list"}},
    "secret/metadata/policies/searched/": {C.AUTHORITY_LIST: {"list"}, C.AUTHORITY_METADATA: set()},
    "secret/delete/policies/produced": {C.AUTHORITY_DELETE: {"update"}},
    "secret/delete/policies/retiring": {C.AUTHORITY_DELETE: {"update"}},
    f"lockstep/data/{claim_name(PRODUCED)}": {C.CLAIM_READ: {"read"}, C.CLAIM_WRITE: {"create", "update"}},
    "lockstep/data/tombstones/x": {C.TOMBSTONE_READ: {"read"}, C.TOMBSTONE_WRITE: {"create", "update"}},
    "lockstep/metadata/tombstones/x": {C.TOMBSTONE_WRITE: {"read", "delete"}},
    "lockstep/delete/tombstones/x": {C.TOMBSTONE_WRITE: {"update"}},
    "lockstep/data/rollouts/x": {C.ROLLOUT_READ: {"read"}, C.ROLLOUT_WRITE: {"create", "update"}},
    "lockstep/metadata/rollouts/": {C.ROLLOUT_READ: {"list"}, C.ROLLOUT_WRITE: {"read", "delete"}},
    "lockstep/metadata/rollouts/x": {C.ROLLOUT_WRITE: {"read", "delete"}},
    "lockstep/delete/rollouts/x": {C.ROLLOUT_WRITE: {"update"}},
    "lockstep/data/budgets/x": {C.BUDGET_WRITE: {"create", "read", "update"}},
    "lockstep/data/due/local_restart/202601010000/x": {C.REMINDER_WRITE: {"create", "update"}},
    "lockstep/metadata/due/local_restart/": {C.REMINDER_WRITE: {"list", "delete"}},
    "lockstep/metadata/due/local_restart/202601010000/x": {C.REMINDER_WRITE: {"list", "delete"}},
    "lockstep/data/anchors/local_ledger": {C.LEDGER_WRITE: {"create", "read", "update"}},
    "lockstep/data/anchors/ledger": {C.LEDGER_WRITE: {"read"}},
    "lockstep-transit/sign/ledger": {C.LEDGER_WRITE: {"update"}},
    "lockstep-transit/verify/ledger": {C.LEDGER_WRITE: {"update"}},
}
NEVER = (
    "secret/data/policies/unwired",
    "secret/metadata/policies/unwired",
    "secret/metadata/policies/",
    "secret/metadata/",
    "secret/delete/policies/consumed",
    "secret/delete/policies/unwired",
    "secret/destroy/policies/produced",
    "secret/undelete/policies/produced",
    "secret/config",
    "lockstep/metadata/claims/",
    f"lockstep/metadata/{claim_name(PRODUCED)}",
    f"lockstep/delete/{claim_name(PRODUCED)}",
    "lockstep/data/anchors/other_ledger",
    "lockstep/metadata/anchors/local_ledger",
    "lockstep/delete/anchors/local_ledger",
    "lockstep/config",
    "lockstep-transit/keys/ledger",
    "lockstep-transit/export/signing-key/ledger",
    "lockstep-transit/backup/ledger",
    "lockstep-transit/keys/ledger/config",
    "sys/policies/acl/lockstep-publish",
    "sys/mounts",
    "sys/audit",
    "auth/approle/role/lockstep-publish/secret-id",
    "auth/token/create",
    "identity/entity",
    "cubbyhole/x",
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_has_exactly_what_it_needs(served: OpenBao, step: Step) -> None:
    http = served.http()
    login = {"role_id": f"lockstep-{step.name}"}
    login["secret_id"] = served.embedded.identity(step.name).secret_id.reveal().decode()
    token = http.request("POST", "auth/approle/login", body=login, kind="login").body["auth"]["client_token"]
    wanted = {
        path: sorted(set[str]().union(*(verbs for need, verbs in grants.items() if need in step.needs))) or ["deny"]
        for path, grants in GRANTS.items()
    }
    if step.needs & ROTATING:  # let at the values of rotations alone, and none of these is one
        wanted |= {path: ["deny"] for path in GRANTS if path.startswith("secret/")}
    if C.AUTHORITY_METADATA in step.needs:  # "below the prefix" includes the prefix with its slash
        searched = wanted["secret/metadata/policies/searched/"]
        wanted["secret/metadata/policies/searched/"] = sorted({*searched, "read"} - {"deny"})
    wanted |= {key: ["deny"] for key in NEVER}
    body = {"token": token, "paths": list(wanted)}
    answer = served.admin().call("POST", "sys/capabilities", body=body, kind="test").body["data"]
    assert {path: sorted(answer[path]) for path in wanted} == wanted
    http.close()


# --- the same by real calls through the adapters ---

Act = Callable[[VaultClient], object]


def _claims(client: VaultClient) -> VaultClaims:
    return VaultClaims(KvEngine(client), failing)


def failing(notice: str) -> None:
    raise AssertionError(notice)


def _rolled(client: VaultClient) -> None:
    rollouts, ref = VaultRollouts(KvEngine(client)), WorkloadRef(kind="Deployment", namespace="team", name="policies")
    made = rollouts.write(Rollout(ref, "u", "0" * 32, {}, {}, "waiting", NOW))
    rollouts.remove(rollouts.write(made))
    assert rollouts.read(ref) is None


def _slotted(client: VaultClient) -> None:
    budgets = VaultBudgets(KvEngine(client))
    for _ in range(2):
        budgets.write(budgets.read("restart.policies"))


def _reminded(client: VaultClient) -> None:
    reminders, reminder = VaultReminders(KvEngine(client)), Reminder(NOW, "policies", "namespaces/team/deployments/x")
    for _ in range(2):
        reminders.set(reminder)
    assert reminders.due("policies", NOW) == (reminder,)
    reminders.remove(reminder)
    assert reminders.due("policies", NOW) == ()


def _write(path: PathRef) -> Act:
    def act(client: VaultClient) -> None:
        VaultAuthority(KvEngine(client)).write(path, {"a": SecretValue.of("2")}, None)

    return act


ACTS: dict[str, tuple[frozenset[Capability], Act]] = {
    "read produced": (frozenset({C.AUTHORITY_READ}), lambda c: VaultAuthority(KvEngine(c)).read(PRODUCED)),
    "read consumed": (frozenset({C.AUTHORITY_READ}), lambda c: VaultAuthority(KvEngine(c)).read(CONSUMED)),
    "read found": (frozenset({C.AUTHORITY_READ}), lambda c: VaultAuthority(KvEngine(c)).read(FOUND)),
    "head produced": (frozenset({C.AUTHORITY_METADATA}), lambda c: VaultAuthority(KvEngine(c)).head(PRODUCED)),
    "list searched": (
        frozenset({C.AUTHORITY_LIST}),
        lambda c: VaultAuthority(KvEngine(c)).list("secret", "policies/searched"),
    ),
    "write produced": (frozenset({C.AUTHORITY_WRITE}), _write(PRODUCED)),
    "delete retiring": (frozenset({C.AUTHORITY_DELETE}), lambda c: VaultAuthority(KvEngine(c)).delete(RETIRING, (9,))),
    "read claim": (frozenset({C.CLAIM_READ}), lambda c: _claims(c).read(CONSUMED)),
    "update claim": (frozenset({C.CLAIM_WRITE}), lambda c: _claims(c).update(replace(claim(PRODUCED), revision=99))),
    "read tombstones": (frozenset({C.TOMBSTONE_READ}), lambda c: VaultTombstones(KvEngine(c)).list()),
    "create tombstone": (
        frozenset({C.TOMBSTONE_WRITE, C.TOMBSTONE_READ}),
        lambda c: VaultTombstones(KvEngine(c)).create(tombstone(EXISTING)),
    ),
    "remove tombstone": (
        frozenset({C.TOMBSTONE_WRITE}),
        lambda c: VaultTombstones(KvEngine(c)).remove(replace(tombstone("0" * 32), revision=1)),
    ),
    "read rollouts": (frozenset({C.ROLLOUT_READ}), lambda c: VaultRollouts(KvEngine(c)).refs()),
    "write rollout": (frozenset({C.ROLLOUT_WRITE, C.ROLLOUT_READ}), _rolled),
    "take a slot": (frozenset({C.BUDGET_WRITE}), _slotted),
    "remind": (frozenset({C.REMINDER_WRITE}), _reminded),
    "read anchor": (frozenset({C.LEDGER_WRITE}), lambda c: VaultAnchors(KvEngine(c)).read()),
    "sign": (frozenset({C.LEDGER_WRITE}), lambda c: TransitSigner(c).sign(b"head")),
}
REFUSED: dict[str, Act] = {
    "read unwired": lambda c: VaultAuthority(KvEngine(c)).read(UNWIRED),
    "head unwired": lambda c: VaultAuthority(KvEngine(c)).head(UNWIRED),
    "list everything": lambda c: VaultAuthority(KvEngine(c)).list("secret", ""),
    "write consumed": _write(CONSUMED),
    "write found": _write(FOUND),
    "delete consumed": lambda c: VaultAuthority(KvEngine(c)).delete(CONSUMED, (1,)),
    "forget produced": lambda c: KvEngine(c).delete_metadata("secret", PRODUCED.path),
    "forget claim": lambda c: KvEngine(c).delete_metadata("lockstep", claim_name(CONSUMED)),
    "export the key": lambda c: c.call("GET", "lockstep-transit/export/signing-key/ledger", kind="test"),
    "change its policy": lambda c: c.call("GET", "sys/policies/acl/lockstep-publish", kind="test"),
}


def outcome(act: Act, client: VaultClient) -> str:
    try:
        act(client)
    except Unavailable as failure:
        return "denied" if "permission denied" in failure.reason else failure.reason
    except Reject as failure:
        return failure.reason
    except Exception as failure:  # noqa: BLE001 - a Conflict is an answer of one who was let in
        return "allowed" if type(failure).__name__ == "Conflict" else repr(failure)
    return "allowed"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_real_calls_of_a_step(served: OpenBao, step: Step) -> None:
    client = served.client(step.name)
    wanted = {name: "allowed" if needs <= step.needs else "denied" for name, (needs, _) in ACTS.items()}
    if step.needs & ROTATING:
        wanted |= dict.fromkeys(("read produced", "read consumed", "read found"), "denied")
    assert {name: outcome(act, client) for name, (_, act) in ACTS.items()} == wanted
    assert {name: outcome(act, client) for name, act in REFUSED.items()} == dict.fromkeys(REFUSED, "denied")


def test_the_step_that_claims_can_create_a_claim_with_its_mirror(served: OpenBao) -> None:
    client = served.client("publish")
    created = _claims(client).create(claim(PRODUCED))
    assert _claims(client).read(PRODUCED) == created
    found = served.engine().metadata("secret", PRODUCED.path)
    assert found is not None
    assert found.custom["lockstep-owner"] == "PushSecret team/app"


def test_a_tombstones_whole_life_in_a_steps_identity(served: OpenBao) -> None:
    holder = next(step for step in STEPS if {C.TOMBSTONE_READ, C.TOMBSTONE_WRITE} <= step.needs)
    tombstones = VaultTombstones(KvEngine(served.client(holder.name)))
    life = tombstone("1" * 32)
    tombstones.create(life)
    found = tombstones.read(life.id)
    assert found is not None
    tombstones.remove(found)
    tombstones.create(life)
    assert tombstones.read(life.id) is not None


def test_the_warden_writes_only_what_differs(served: OpenBao) -> None:
    warden = served.embedded.warden
    policies = [render(step, WIRED) for step in STEPS]
    assert warden.apply(policies) == ()
    wider = replace(WIRED, produced=WIRED.produced | {UNWIRED})
    changed = warden.apply(render(step, wider) for step in STEPS)
    assert set(changed) == {
        policy.name for policy in policies if "policies/produced" in policy.text or "policies/consumed" in policy.text
    }
    assert outcome(lambda c: VaultAuthority(KvEngine(c)).read(UNWIRED), served.client("publish")) == "allowed"
    warden.apply(policies)
    assert outcome(lambda c: VaultAuthority(KvEngine(c)).read(UNWIRED), served.client("publish")) == "denied"


def _plain(method: str, path: str) -> Act:
    def act(client: VaultClient) -> None:
        client.call(method, path, body={} if method == "POST" else None, kind="test")

    return act


def test_the_warden_can_do_little_else(served: OpenBao) -> None:
    client = served.client("warden")
    allowed = {
        "GET sys/policies/acl/lockstep-publish",
        "GET auth/approle/role/lockstep-publish",
        "GET sys/health",
    }
    refused = {
        "GET sys/policies/acl/lockstep-warden",
        "POST sys/policies/acl/lockstep-warden",
        "POST sys/policies/acl/root-like",
        "POST auth/approle/role/other",
        "POST auth/approle/role/lockstep-warden",
        "POST auth/approle/role/lockstep-warden/secret-id",
        "GET secret/data/policies/produced",
        "GET lockstep/data/anchors/local_ledger",
        "POST lockstep-transit/sign/ledger",
        "POST auth/token/create",
        "GET sys/mounts",
        "POST sys/seal",
        "DELETE sys/policies/acl/lockstep-publish",
    }
    said = {call: outcome(_plain(*call.split()), client) for call in allowed | refused}
    assert {call for call, answer in said.items() if answer == "allowed"} == allowed
    assert {call for call, answer in said.items() if answer == "denied"} == refused
