"""What the commands say where manifests and Secrets are a cluster's."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from events.consumer import WorkloadRef
from events.references import PathRef
from infra.hosts.cli.failures import Exit
from infra.testbed.binaries import Binaries
from infra.testbed.cluster import Cluster, launch
from tests import eso
from tests.cluster import own_definitions
from tests.infra.hosts.cli import in_cluster
from tests.infra.hosts.cli.commands import CANARY, answered, lockstep
from tests.infra.hosts.cli.documents import check
from tests.infra.hosts.cli.in_cluster import CONSUMER, PRODUCER
from tests.instance import Running, external_secret, push_secret, wait_for
from tests.openbao import OpenBao

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("commands-in-a-cluster")]
WORKLOAD = WorkloadRef(kind="Deployment", namespace=CONSUMER, name="web")


@pytest.fixture(scope="module")
def mine(testbed_binaries: Binaries, eso_definitions: tuple[dict[str, Any], ...]) -> Iterator[Cluster]:
    """A cluster of this module's own: what is wired is served, whoever wired it."""
    cluster = launch()
    try:
        cluster.install((*eso_definitions, *own_definitions()))
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def up(mine: Cluster, openbao_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = in_cluster.copied(openbao_template, tmp_path_factory.mktemp("cluster") / "root")
    at = in_cluster.laid_out(root, mine)
    in_cluster.put(mine, PRODUCER, "source", {"password": f"{CANARY}-1"})
    in_cluster.wire(mine)
    with at.running() as running:
        in_cluster.settled(running, mine)
        yield running


def deployment() -> dict[str, Any]:
    container = {"name": "main", "image": "x", "envFrom": [{"secretRef": {"name": "pg"}}]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": WORKLOAD.name, "namespace": CONSUMER},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip


def test_status_names_the_cluster_and_shows_the_workloads(up: Running, mine: Cluster) -> None:
    mine.admin.apply(f"/apis/apps/v1/namespaces/{CONSUMER}/deployments/web", deployment(), "test")

    def workloads() -> Any:
        found = answered("status", "-n", CONSUMER, root=up.root)
        check("status", found)
        assert found["platform"].startswith(f"cluster {mine.server}")
        return found["secrets"][0]["consumers"][0]["workloads"]

    wait_for(lambda: [(one["workload"], one["state"]) for one in workloads()] == [(str(WORKLOAD), "current")], "it")
    assert answered("status", root=up.root)["secrets"][0]["consumers"][0]["workloads"] is None, "asked for unasked"
    page = lockstep("status", "-o", "wide", root=up.root).output
    assert f"{WORKLOAD}: runs the newest version (it has no pods)" in page
    assert "no ConfigMap lockstep/access.yaml: one trust domain" in page
    notices = answered("status", root=up.root)["notices"]
    assert any(text.startswith("no ConfigMap lockstep/access.yaml: one trust domain") for text in notices)
    assert f"workload    {WORKLOAD}" in lockstep("explain", f"{CONSUMER}/pg", root=up.root).output


def test_check_speaks_of_the_cluster(up: Running) -> None:
    result = lockstep("check", "-o", "json", root=up.root)
    found = {one["name"]: one for one in json.loads(result.stdout)["checks"]}
    assert "ConfigMap lockstep/access.yaml" in found["access policy"]["action"]
    assert found[f"namespace {CONSUMER}"]["message"] == "RBAC lets us write its Secrets"
    assert (found["broker"]["status"], found["authority's network"]["status"]) == ("ok", "ok")
    assert str(up.root / "namespaces") not in result.stdout


def test_explain_mends_with_kubectl(up: Running, mine: Cluster) -> None:
    body = dict(push_secret("lonely", f"{PRODUCER}/absent", "platform-data/lonely"))
    eso.apply(mine, body)
    try:
        wait_for(lambda: lockstep("explain", "secret/platform-data/lonely", root=up.root).exit_code == 1, "the wiring")
        found = json.loads(lockstep("explain", "secret/platform-data/lonely", "-o", "json", root=up.root).stdout)
        assert found["firstBroken"]["mend"][0].startswith(f"kubectl -n {PRODUCER} create secret generic absent")
    finally:
        mine.admin.delete(eso.place(body))
    wait_for(lambda: up.secret("secret/platform-data/lonely") is None, "the PushSecret to go")
    up.wait_idle()


# --- without asking the running one ------------------------------------------------------------------------------


@pytest.fixture
def kubectl(up: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds the cluster, and no authority."""
    for name in [*os.environ]:
        if name.startswith(("VAULT_", "BAO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KUBECONFIG", up.at.environment["KUBECONFIG"])


@pytest.mark.usefixtures("kubectl")
def test_status_of_a_cluster_without_its_broker(up: Running, mine: Cluster) -> None:
    with_broker = answered("status", root=up.root)
    result = lockstep("status", "-o", "json", "--context")
    found = json.loads(result.stdout)
    check("status", found)
    assert [found[name] for name in ("authority", "broker", "ledger", "tombstones")] == [None] * 4
    known = ("path", "version", "inStep", "sources", "origin")
    assert [{name: one[name] for name in known} for one in found["secrets"]] == [
        {name: one[name] for name in known} for one in with_broker["secrets"]
    ]
    assert found["platform"].startswith(f"cluster {mine.server}")
    page = lockstep("status", "--context").output
    assert "not known here; ask where the broker runs (--root)" in page


@pytest.mark.usefixtures("kubectl")
def test_explain_in_a_cluster_without_its_broker() -> None:
    found = json.loads(lockstep("explain", f"{CONSUMER}/pg", "-o", "json", "--context").stdout)
    hops = {hop["hop"]: hop["state"] for hop in found["ways"][0]["hops"]}
    assert hops == {"source": "ok", "publish": "ok", "authority": "broken"}
    assert "VAULT_ADDR" in found["firstBroken"]["says"]
    assert lockstep("explain", "nobody/knows", "--context").exit_code == Exit.NOT_FOUND


@pytest.mark.usefixtures("kubectl")
def test_explain_with_the_authority(up: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", up.authority)
    monkeypatch.setenv("VAULT_TOKEN", "nobody's")
    found = json.loads(lockstep("explain", f"{CONSUMER}/pg", "-o", "json", "--context").stdout)
    assert "the token is not accepted" in found["firstBroken"]["says"]
    page = json.loads(lockstep("status", "-o", "json", "--context").stdout)
    assert page["authority"]["serves"] is True


@pytest.mark.usefixtures("kubectl")
def test_diff_needs_the_authority() -> None:
    result = lockstep("diff", "--context")
    assert (result.exit_code, "VAULT_ADDR" in result.stderr) == (Exit.UNREACHABLE, True)


@pytest.mark.usefixtures("kubectl")
def test_check_of_a_cluster_without_its_broker(up: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    result = lockstep("check", "-o", "json", "--context")
    found = {one["name"]: one for one in json.loads(result.stdout)["checks"]}
    assert (found["authority"]["status"], "VAULT_ADDR" in found["authority"]["message"]) == ("warn", True)
    assert found[f"namespace {CONSUMER}"]["message"] == "it is there"
    assert {found[name]["status"] for name in ("wiring", "sources", "broker", "in step")} == {"ok"}
    assert "--root" in found["inside"]["message"]
    assert (result.exit_code, lockstep("check", "--strict", "--context").exit_code) == (Exit.OK, Exit.FINDINGS)
    monkeypatch.setenv("VAULT_ADDR", up.authority)
    monkeypatch.setenv("VAULT_TOKEN", "nobody's")
    seen = {one["name"]: one for one in json.loads(lockstep("check", "-o", "json", "--context").stdout)["checks"]}
    assert "serves" in seen["authority"]["message"]


@pytest.mark.usefixtures("kubectl")
def test_waiting_without_the_broker() -> None:
    assert lockstep("wait", "--all", "--context").stdout.strip() == "in step"
    assert lockstep("wait", f"{CONSUMER}/pg", "--for", "version=1", "--context").exit_code == Exit.OK
    late = lockstep("wait", f"{CONSUMER}/pg", "--for", "version=99", "--timeout", "1s", "--context")
    assert (late.exit_code, "holds version" in late.stderr) == (Exit.TIMEOUT, True)
    assert lockstep("wait", "nobody/knows", "--context").exit_code == Exit.NOT_FOUND


@pytest.mark.usefixtures("kubectl")
def test_what_leads_nowhere_is_no_success_without_the_broker_either(up: Running, mine: Cluster) -> None:
    for command in ("wait", "status"):
        elsewhere = lockstep(command, "-n", "tempral", "--context")
        assert (elsewhere.exit_code, "did you mean temporal?" in elsewhere.output) == (Exit.NOT_FOUND, True)
    lost = {"name": "vault-backed", "kind": "ClusterSecretStore"}
    body = dict(external_secret(f"{CONSUMER}/lost", in_cluster.PATH, secretStoreRef=lost))
    eso.apply(mine, body)
    try:
        for options in (("--context",), ("--root", str(up.root))):
            wait_for(lambda o=options: lockstep("explain", f"{CONSUMER}/lost", *o).exit_code == 1, "it")  # type: ignore[misc]
            late = lockstep("wait", f"{CONSUMER}/lost", "--timeout", "0.2s", *options)
            assert (late.exit_code, "vault-backed" in late.stderr) == (Exit.TIMEOUT, True)
            shown = lockstep("status", f"{CONSUMER}/lost", *options)
            assert (shown.exit_code, "vault-backed" in shown.stdout) == (Exit.FINDINGS, True)
    finally:
        mine.admin.delete(eso.place(body))
    wait_for(lambda: lockstep("wait", "--all", "--timeout", "0s", root=up.root).exit_code == Exit.OK, "it to go")


@pytest.mark.usefixtures("kubectl")
def test_lint_of_what_is_in_the_cluster(up: Running, mine: Cluster) -> None:
    result = lockstep("lint", "-o", "json", "--context")
    assert {one["severity"] for one in json.loads(result.stdout)} <= {"notice", "warning"}, result.stdout
    body = dict(push_secret("second", f"{PRODUCER}/source", in_cluster.PATH))
    eso.apply(mine, body)
    try:
        result = lockstep("lint", "--context")
        assert (result.exit_code, "LS027" in result.stdout) == (Exit.FINDINGS, True)
        assert f"PushSecret {PRODUCER}/second:1" in result.stdout
    finally:
        mine.admin.delete(eso.place(body))
    wait_for(lambda: up.in_step(f"secret/{in_cluster.PATH}"), "the PushSecret to go")
    up.wait_idle()
    assert lockstep("lint", str(up.root), "--context").exit_code == Exit.USAGE


@pytest.mark.parametrize(
    "command",
    [
        ("events",),
        ("dead-letters", "list"),
        ("audit", "verify"),
        ("reconcile", "--all"),
        ("fingerprint",),
        ("leak", "report", "--path", "secret/a"),
    ],
)
def test_what_only_the_broker_knows_says_where_to_ask(command: tuple[str, ...]) -> None:
    result = lockstep(*command, "--context", "kind-dev")
    assert (result.exit_code, "give --root" in result.stderr) == (Exit.USAGE, True)
    assert lockstep("status").exit_code == Exit.USAGE


@pytest.mark.usefixtures("kubectl")
def test_what_a_pod_keeps_is_asked_there(mine: Cluster) -> None:
    path = "/apis/apps/v1/namespaces/lockstep/statefulsets"
    assert "statefulset/" not in lockstep("events", "--context").stderr
    template = {"metadata": {"labels": {"app": "record"}}, "spec": {"containers": [{"name": "record", "image": "x"}]}}
    spec = {
        "replicas": 0, "serviceName": "record", "selector": {"matchLabels": {"app": "record"}}, "template": template,
    }  # fmt: skip
    mine.admin.post(path, {"metadata": {"name": "record"}, "spec": spec})
    try:
        said = lockstep("events", "--context").stderr
        assert "kubectl -n lockstep exec statefulset/record -- lockstep events" in " ".join(said.split())
        said = lockstep("dead-letters", "list", "--context").stderr
        assert "exec statefulset/record -- lockstep dead-letters list" in " ".join(said.split())
        assert "give --root" in lockstep("reconcile", "--all", "--context").stderr
    finally:
        mine.admin.delete(f"{path}/record")


# --- taking over from External Secrets Operator ------------------------------------------------------------------


@dataclass
class Pushed:
    """What External Secrets Operator pushed: the path's content, and the PushSecret's status that lists it."""

    up: Running
    cluster: Cluster
    bao: OpenBao
    path: PathRef

    def number(self) -> int:
        found = self.bao.engine().read(self.path.mount, self.path.path)
        return found.number if found else 0

    def adopt(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        result = lockstep("adopt", "--from", "eso", *arguments, "-o", "json", root=self.up.root)
        assert result.stdout, result.stderr
        found = json.loads(result.stdout)
        check("adopt --from", found)
        return result.exit_code, found["items"]


@pytest.fixture
def pushed(
    openbao: OpenBao, testbed_binaries: Binaries, eso_definitions: tuple[dict[str, Any], ...], tmp_path: Path
) -> Iterator[Pushed]:
    """Both sides as ESO left them, with the store not handed over yet."""
    token = openbao.token('path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list"]\n}\n')
    cluster = launch()
    try:
        cluster.install((*eso_definitions, *own_definitions()))
        at = in_cluster.laid_out(
            tmp_path / "root", cluster,
            VAULT_ADDR=openbao.settings.address, VAULT_TOKEN=token.reveal().decode(),
        )  # fmt: skip
        at.configure(cluster=openbao.path("c").path.replace("/", "-")[-40:].strip("-"), delivery={"retry": 0})
        path = openbao.path("pushed")
        openbao.engine().write(path.mount, path.path, {"password": f"{CANARY}-1"}, 0)
        in_cluster.put(cluster, PRODUCER, "source", {"password": f"{CANARY}-1"})
        in_cluster.wire_at(cluster, path.path, openbao.settings.address)
        with at.running() as up:
            yield Pushed(up, cluster, openbao, path)
    finally:
        cluster.stop()


def test_what_eso_pushed_is_taken_over_and_given_back(pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = pushed.cluster
    for name, value in pushed.up.at.environment.items():
        monkeypatch.setenv(name, value)
    before = in_cluster.secret(cluster, CONSUMER, "pg")
    assert before is not None

    # the store is still served by ESO: refused, with the two commands that hand it over
    code, (item,) = pushed.adopt("-n", PRODUCER, "push")
    assert (code, "still serves ClusterSecretStore vault-backend" in item["refused"]) == (Exit.REFUSED, True)
    assert '"controller":"lockstep"' in item["mend"][0]
    assert item["mend"][1] == f"lockstep adopt --from eso -n {PRODUCER} push"

    checked = json.loads(lockstep("check", "-o", "json", root=pushed.up.root).stdout)["checks"]
    (wiring,) = (one for one in checked if one["name"] == "wiring")
    assert (wiring["status"], "2 of 2 manifests are left to another controller" in wiring["message"]) == ("ok", True)

    # what would happen is seen without anything that runs: the path has no claim yet, the target would be marked
    result = lockstep("diff", "-o", "json", "--context")
    found = json.loads(result.stdout)
    check("diff", found)
    assert [(one["step"], one["kind"]) for one in found["blocked"]] == [("publish", "conflict")], result.output

    in_cluster.hand_over(cluster, "lockstep", pushed.bao.settings.address)
    wait_for(lambda: pushed.adopt("--dry-run")[0] == Exit.OK, "the store to be ours")
    (item,) = pushed.adopt("--dry-run")[1]
    assert (item["plan"]["keys"]["same"], item["plan"]["owner"], item["outcome"]) == (["password"], None, None)

    code, (item,) = pushed.adopt()
    assert (code, item["refused"], item["outcome"]["published"]["outcome"]) == (0, "", "unchanged")
    assert pushed.number() == 1, "a version was written"

    # its target goes on as it is, and is followed from here on
    pushed.up.wait_for(lambda: pushed.up.in_step(str(pushed.path)), "the target to be taken over")
    after = in_cluster.secret(cluster, CONSUMER, "pg")
    assert after is not None
    assert (after["data"], after["metadata"]["uid"]) == (before["data"], before["metadata"]["uid"])
    assert "lockstep.dev/data-since" not in after["metadata"]["annotations"], "workloads would be restarted"

    code, (item,) = pushed.adopt()
    assert (code, item["plan"]["held"], item["outcome"]) == (0, True, None)

    # back to ESO, which finds everything as it was, and here again
    in_cluster.hand_over(cluster, "", pushed.bao.settings.address)
    wait_for(lambda: pushed.adopt()[0] == Exit.REFUSED, "the store to be ESO's")
    in_cluster.hand_over(cluster, "lockstep", pushed.bao.settings.address)
    wait_for(lambda: pushed.adopt()[0] == 0, "the store to be ours again")
    assert (pushed.number(), in_cluster.values(cluster, CONSUMER, "pg")) == (1, {"password": f"{CANARY}-1"})
    in_cluster.put(cluster, PRODUCER, "source", {"password": f"{CANARY}-2"})
    wait_for(lambda: in_cluster.values(cluster, CONSUMER, "pg") == {"password": f"{CANARY}-2"}, "the next value")


def test_keys_that_the_source_lacks_are_not_dropped(pushed: Pushed) -> None:
    more = {"password": f"{CANARY}-1", "username": "temporal"}
    pushed.bao.engine().write(pushed.path.mount, pushed.path.path, more, 1)
    in_cluster.hand_over(pushed.cluster, "lockstep", pushed.bao.settings.address)
    wait_for(lambda: pushed.adopt("--dry-run")[1][0]["plan"] is not None, "the store to be ours")
    code, (item,) = pushed.adopt()
    assert (code, "username" in item["refused"]) == (Exit.REFUSED, True)
    assert pushed.number() == 2


def test_from_eso_is_for_clusters_and_for_no_single_path(tmp_path: Path) -> None:
    assert lockstep("adopt", root=tmp_path).exit_code == Exit.USAGE
    result = lockstep("adopt", "--from", "eso", "--by", "a/b", root=tmp_path)
    assert (result.exit_code, "--by" in result.stderr) == (Exit.USAGE, True)
