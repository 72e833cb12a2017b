"""`lockstep rotate`, `rotation` and `leak` with --context: what the cluster and its authority tell, and orders as
annotations."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from events.references import PathRef
from infra.hosts.cli.failures import Exit
from infra.testbed.binaries import Binaries
from infra.testbed.cluster import Cluster, launch
from tests import eso
from tests.cluster import own_definitions
from tests.infra.hosts.cli import in_cluster
from tests.infra.hosts.cli.commands import CANARY, answered, lockstep
from tests.infra.hosts.cli.documents import check
from tests.infra.hosts.cli.in_cluster import CONSUMER
from tests.instance import Running, external_secret, wait_for
from tests.openbao import OpenBao
from tests.postgres import Postgres

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("rotations-in-a-cluster")]
NAME = f"{CONSUMER}/orders"
PATIENCE = 60.0


@dataclass
class Estate:
    """A Lockstep at work in a cluster of its own, at an authority that the caller may read, too."""

    up: Running
    cluster: Cluster
    path: PathRef
    rotation: dict[str, Any]

    def condition(self) -> str:
        """The id of the rotation that the Rotation's status shows."""
        return str((self.cluster.admin.get(eso.place(self.rotation)).get("status") or {}).get("rotation", ""))


@pytest.fixture
def empty(testbed_binaries: Binaries, eso_definitions: tuple[dict[str, Any], ...]) -> Iterator[Cluster]:
    """A cluster that knows the kinds."""
    cluster = launch()
    try:
        cluster.install((*eso_definitions, *own_definitions()))
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def estate(
    openbao: OpenBao, postgres: Postgres, empty: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Estate]:
    """One Rotation that nobody has begun."""
    token = openbao.token('path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list"]\n}\n')
    admin, path = openbao.path("admin"), openbao.path("orders")
    openbao.engine().write(
        admin.mount, admin.path, {"username": postgres.admin, "password": postgres.admin_password}, 0
    )
    declared = {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": "orders"},
        "spec": {
            "type": "postgres", "parameters": {"host": postgres.host, "port": postgres.port},
            "admin": {"secretStoreRef": {"name": in_cluster.STORE}, "remoteKey": admin.path},
            "allow": [{"namespaces": [CONSUMER], "accounts": ["*"]}],
        },
    }  # fmt: skip
    rotation = {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
        "metadata": {"name": "orders", "namespace": CONSUMER},
        "spec": {
            "secretStoreRef": {"name": in_cluster.STORE}, "remoteKey": path.path, "strategy": "alternating",
            "target": {"name": "orders", "accounts": [postgres.role(), postgres.role()]},
        },
    }  # fmt: skip
    environment = {"VAULT_ADDR": openbao.settings.address, "VAULT_TOKEN": token.reveal().decode()}
    at = in_cluster.laid_out(tmp_path / "root", empty, **environment)
    for name, value in at.environment.items():
        monkeypatch.setenv(name, value)
    at.configure(sweep={"intervalSeconds": 3600}, anchor={"intervalSeconds": 3600})
    in_cluster.hand_over(empty, "lockstep", openbao.settings.address)
    for body in (declared, rotation, dict(external_secret(f"{CONSUMER}/pg", path.path, target={"name": "pg"}))):
        eso.apply(empty, body)
    with at.running() as up:
        yield Estate(up, empty, path, rotation)


def asked(*arguments: str) -> Any:
    return answered(*arguments, "--context=")


def test_seen_ordered_and_followed_without_asking_who_runs(
    estate: Estate, openbao: OpenBao, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: answered("rotation", "list", root=estate.up.root)["rotations"], "the wired Rotation", PATIENCE)

    # nothing has begun: what is shown is what the running one shows, and a look at the target changes nothing
    assert asked("rotation", "list") == answered("rotation", "list", root=estate.up.root)
    plan = asked("rotate", NAME, "--dry-run")
    check("rotate", plan)
    assert (plan["passes"], plan["base"], plan["attempt"]) == (True, None, 1), plan
    assert estate.condition() == ""
    for verb in ("abort", "resume"):
        result = lockstep("rotation", verb, NAME, "--context=")
        assert (result.exit_code, "no rotation of" in result.stderr) == (Exit.REFUSED, True), result.output

    # ordered, and followed to its end
    ended = asked("rotate", NAME, "--wait", "--timeout", "2m")
    check("rotation show", ended)
    assert (ended["phase"], ended["version"]["number"]) == ("completed", 1)
    annotations = estate.cluster.admin.get(eso.place(estate.rotation))["metadata"]["annotations"]
    assert annotations["lockstep.dev/rotate"] == "planned@0.1"
    assert asked("rotation", "show", str(estate.path)) == answered(
        "rotation", "show", str(estate.path), root=estate.up.root
    )
    given = asked("rotate", NAME, "--policy", "leak")
    check("rotate", given)
    assert (given["sequence"], given["base"]["number"], given["joined"]) == (None, 1, False)
    wait_for(lambda: asked("rotation", "show", NAME)["version"]["number"] == 2, "the second one", PATIENCE)

    # what is known of one path's rotation, in `status` and `explain`
    wait_for(lambda: asked("rotation", "show", NAME)["phase"] == "completed", "its end", PATIENCE)
    estate.up.wait_for(lambda: estate.up.in_step(str(estate.path)), "the consumer")
    (shown,) = asked("status", str(estate.path))["secrets"]
    assert (shown["rotation"]["name"], shown["rotation"]["phase"]) == (NAME, "completed")
    assert "rotation" in [hop["hop"] for hop in asked("explain", str(estate.path))["ways"][0]["hops"]]

    # what somebody else writes there is not what consumers get, and is named
    openbao.engine().write(estate.path.mount, estate.path.path, {"password": "theirs"}, 2)
    found = json.loads(lockstep("status", str(estate.path), "-o", "json", "--context=").stdout)
    assert "was not confirmed by its rotation" in found["secrets"][0]["wrong"]
    broken = json.loads(lockstep("explain", str(estate.path), "-o", "json", "--context=").stdout)["firstBroken"]
    assert (broken["hop"], broken["mend"]) == ("authority", [f"lockstep rotate {NAME}"])

    # leaks are the authority's
    (leak,) = json.loads(
        lockstep("leak", "report", "--path", str(estate.path), "-o", "json", root=estate.up.root).stdout
    )["leaks"]
    wait_for(lambda: any(one["id"] == leak for one in asked("leak", "list")["leaks"]), "the leak", PATIENCE)
    assert asked("leak", "show", leak[:12])["id"] == leak
    assert lockstep("leak", "show", "0" * 32, "--context=").exit_code == Exit.NOT_FOUND

    # without the authority: what the cluster says, and where the rest is
    for name in ("VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.delenv(name)
    (told,) = asked("rotation", "list")["rotations"]
    assert (told["phase"] == "unknown", "VAULT_ADDR" in told["trouble"]) == (False, True), "the status says how far"
    result = lockstep("rotate", NAME, "--context=")
    assert (result.exit_code, "lockstep.dev/rotate=planned@VERSION" in result.stderr) == (Exit.UNREACHABLE, True)
    result = lockstep("rotation", "abort", NAME, "--context=")
    assert (result.exit_code, "lockstep.dev/abort=ID" in result.stderr) == (Exit.UNREACHABLE, True)
    result = lockstep("leak", "list", "--context=")
    assert (result.exit_code, "VAULT_ADDR" in result.stderr) == (Exit.UNREACHABLE, True)


def test_one_that_waits_is_woken_and_given_up_by_annotation(estate: Estate) -> None:
    wait_for(lambda: answered("rotation", "list", root=estate.up.root)["rotations"], "the wired Rotation", PATIENCE)
    estate.cluster.admin.patch(  # nobody may log in there, so it waits
        "/apis/lockstep.dev/v1alpha1/rotationtargets/orders", {"spec": {"parameters": {"port": 1}}}
    )
    result = lockstep("rotate", NAME, "--dry-run", "--policy", "leak", "--context=", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["passes"]) == (Exit.FINDINGS, False), "what is in the way"
    given = asked("rotate", NAME)
    wait_for(lambda: asked("rotation", "show", NAME)["record"] is not None, "the rotation to begin", PATIENCE)
    wait_for(lambda: asked("rotation", "show", NAME)["trouble"] != "", "what it waits for", PATIENCE)
    looked = estate.up.at.events("dev.lockstep.phase.requested")
    resumed = asked("rotation", "resume", NAME)
    check("rotation resume", resumed)
    assert (resumed["rotation"], resumed["sequence"]) == (given["rotation"], None)
    wait_for(lambda: estate.up.at.events("dev.lockstep.phase.requested") > looked, "another look", PATIENCE)
    aborted = asked("rotation", "abort", NAME)
    check("rotation abort", aborted)
    wait_for(lambda: asked("rotation", "show", NAME)["phase"] in ("aborting", "withdrawing", "aborted"), "its end")
    assert CANARY not in estate.up.output()


def test_who_may_not_annotate_may_not_order(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for(lambda: answered("rotation", "list", root=estate.up.root)["rotations"], "the wired Rotation", PATIENCE)
    admin = estate.cluster.admin
    admin.post(f"/api/v1/namespaces/{CONSUMER}/serviceaccounts", {"metadata": {"name": "reader"}})
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    admin.post(f"{rbac}/clusterroles", {"metadata": {"name": "reader"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": CONSUMER}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"}
    admin.post(f"{rbac}/clusterrolebindings", {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]})
    token = estate.cluster.service_account_token(CONSUMER, "reader")
    monkeypatch.setenv("KUBECONFIG", str(estate.cluster.kubeconfig(tmp_path / "reader", token=token)))
    assert asked("rotation", "show", NAME)["phase"] == "never"
    result = lockstep("rotate", NAME, "--context=")
    assert result.exit_code == Exit.UNREACHABLE, result.output
    assert "patch" in result.stderr
    assert "rotations" in result.stderr
    assert asked("rotation", "show", NAME)["record"] is None
