import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, lockstep, prepared, settled
from tests.infra.hosts.cli.documents import check
from tests.instance import Installation, Running, external_secret, push_secret, store
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
FULL = f"secret/{PATH}"


def explained(up: Running, name: str, code: int = Exit.FINDINGS) -> Any:
    result = lockstep("explain", name, "-o", "json", root=up.root)
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    check("explain", found)
    return found


def stuck(up: Running, name: str, hop: str, cause: str) -> Any:
    """Wait until `name` is stuck at a hop for a cause; the hop."""

    def so() -> bool:
        result = lockstep("explain", name, "-o", "json", root=up.root)
        found = (json.loads(result.stdout)["firstBroken"] if result.exit_code == Exit.FINDINGS else None) or {}
        return found.get("hop") == hop and cause in found["says"]

    up.wait_for(so, f"{name} stuck at {hop} because of {cause!r}")
    return explained(up, name)["firstBroken"]


def test_every_hop_is_ok(up: Running) -> None:
    settled(up)
    found = explained(up, "temporal/pg", 0)
    assert found["firstBroken"] is None
    (way,) = found["ways"]
    assert [hop["state"] for hop in way["hops"]] == ["ok", "ok", "ok"]
    text = lockstep("explain", f"platform-data/{SOURCE}", root=up.root)
    assert (text.exit_code, "in step" in text.stdout) == (0, True)


def test_a_missing_key(up: Running) -> None:
    up.at.wire(
        "keys", push_secret("keys", f"platform-data/{SOURCE}", "platform-data/postgres/keys", ("username",)),
        external_secret("keys/pg", "platform-data/postgres/keys"),
    )  # fmt: skip
    stuck(up, "keys/pg", "publish", "no source Secret has key 'username'")
    up.wait_idle()
    hop = explained(up, "keys/pg")["firstBroken"]
    assert hop["trouble"]["state"] == "dead letter"
    assert "wiring/keys.yaml:1" in hop["mend"][0]
    text = lockstep("explain", "keys/pg", root=up.root).stdout
    assert "first broken hop: publish" in text
    assert "next retry: none: given up after 1 attempt" in text
    assert f"lockstep reconcile secret/platform-data/postgres/keys --root {up.root}" not in text, "LOCKSTEP_ROOT is set"
    assert "lockstep reconcile secret/platform-data/postgres/keys" in text
    up.at.unwire("keys")


def test_a_path_that_existed_before_anybody_claimed_it(openbao: OpenBao, tmp_path: Path) -> None:
    path = openbao.path("existing")
    openbao.engine().write(path.mount, path.path, {"password": f"{CANARY}-theirs"}, 0)
    at = at_authority(openbao, tmp_path / "root")
    at.wire("one", push_secret("push", f"platform-data/{SOURCE}", path.path), external_secret("temporal/pg", path.path))
    at.put("platform-data", SOURCE, {"password": f"{CANARY}-ours".encode()})
    with at.running() as up:
        hop = stuck(up, "temporal/pg", "publish", "existed before anybody claimed it")
        assert hop["mend"] == [f"lockstep adopt {path} --by platform-data/push --dry-run"]


def test_what_the_access_policy_denies(root: Path) -> None:
    at = prepared(root)
    at.allow(platform_data={"publish": [FULL]})
    with at.running() as up:
        hop = stuck(up, "temporal/pg", "materialize", "does not let namespace temporal read")
        assert hop["mend"] == [f"name it in {up.root}/access.yaml: spec.namespaces.temporal.read: [{FULL}]"]
        at.allow(temporal={"read": [FULL]})
        stuck(up, "temporal/pg", "publish", "does not let namespace platform-data publish")


def test_a_consumer_directory_that_cannot_be_written(up: Running) -> None:
    path = "platform-data/postgres/blocked"
    (up.root / "namespaces" / "blocked").write_text("a file where the namespace's directory belongs")
    up.at.wire(
        "blocked", push_secret("blocked", "platform-data/blocked", path), external_secret("blocked/pg", path)
    )  # fmt: skip
    up.at.put("platform-data", "blocked", {"password": f"{CANARY}-b".encode()})
    hop = stuck(up, "blocked/pg", "materialize", "a symlink or a file lies where a directory belongs")
    assert hop["mend"]
    up.at.unwire("blocked")
    (up.root / "namespaces" / "blocked").unlink()


@pytest.fixture
def sealable(
    openbao_root: Path, start_openbao: Callable[..., OpenBao], tmp_path: Path
) -> Iterator[tuple[Running, OpenBao]]:
    """A Lockstep on an OpenBao of the test's own, with one secret in step."""
    openbao = start_openbao(openbao_root)
    at = at_authority(openbao, tmp_path / "instance")
    at.wire("one", push_secret("push", f"platform-data/{SOURCE}", PATH), external_secret("temporal/pg", PATH))
    at.put("platform-data", SOURCE, {"password": f"{CANARY}-1".encode()})
    with at.running() as up:
        settled(up)
        yield up, openbao
    openbao.close()


def test_a_sealed_and_then_stopped_authority(sealable: tuple[Running, OpenBao]) -> None:
    up, openbao = sealable
    openbao.admin().call("PUT", "sys/seal", body={}, kind="test")
    hop = stuck(up, "temporal/pg", "authority", "is sealed; unseal it")
    assert hop["mend"] == [f"VAULT_ADDR={openbao.settings.address} vault operator unseal"]
    up.at.put("platform-data", SOURCE, {"password": f"{CANARY}-2".encode()})
    up.wait_for(lambda: up.status()["broker"]["held"].get("publish"), "the change held")
    publish = explained(up, "temporal/pg")["ways"][0]["hops"][1]
    assert (publish["state"], publish["trouble"]["state"]) == ("waiting", "held")
    status = lockstep("status", root=up.root)
    assert status.exit_code == Exit.FINDINGS
    assert "SEALED" in status.stdout
    assert "publish is held until the authority serves" in status.stdout
    diff = lockstep("diff", root=up.root)
    assert (diff.exit_code, "is sealed" in diff.stderr) == (Exit.UNREACHABLE, True)
    openbao.embedded.stop(patience=0)
    stuck(up, "temporal/pg", "authority", "cannot reach")
    assert "NOT REACHABLE" in lockstep("status", root=up.root).stdout


def at_authority(openbao: OpenBao, root: Path) -> Installation:
    """A ROOT on an existing authority."""
    token = openbao.token('path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list"]\n}\n')
    address = openbao.settings.address
    at = Installation(root, environment={"VAULT_ADDR": address, "VAULT_TOKEN": token.reveal().decode()})
    at.configure(cluster=root.parent.name.replace("_", "-")[:40].strip("-").lower(), delivery={"retry": 0})
    at.wire("store", store(server=address))
    return at


def test_a_target_whose_manifest_is_gone_or_was_never_readable(root: Path) -> None:
    at = prepared(root)
    with at.running() as up:
        settled(up)
        whole = (up.root / "wiring" / "temporal.yaml").read_text()
        push, _, pull = whole.partition("---\n")
        at.wire("temporal", push)
        up.wait_for(lambda: up.status()["tombstones"]["total"], "its absence to be noticed")
        (gone,) = explained(up, "temporal/pg")["problems"]
        assert gone["message"].startswith("it is gone, and Secret temporal/pg will be deleted at 2")
        assert gone["message"].endswith("put it back to keep it")
        assert up.stop() == 0
        for broken, line, said in (
            (
                pull.replace("dataFrom", "datafrom"),
                10,
                "it cannot be read: spec.datafrom is no field that is known here",
            ),
            ("kind: [\n", 2, "it may hold ExternalSecret temporal/pg"),
        ):
            at.wire("pull", broken)
            up.restart()
            (unread,) = explained(up, "temporal/pg")["problems"]
            assert (unread["file"], unread["line"], said in unread["message"]) == ("wiring/pull.yaml", line, True)
            assert f"wiring/pull.yaml:{line}: " in up.output(), "it is told when it starts"
            for command in (("wait", "-n", "temporal", "--timeout", "0.2s"), ("wait", "--all", "--timeout", "0.2s")):
                assert lockstep(*command, root=up.root).exit_code == Exit.TIMEOUT
            assert lockstep("diff", "-n", "temporal", root=up.root).exit_code == Exit.FINDINGS
            assert up.stop() == 0


def test_what_is_back_before_the_sweep_saw_it_says_so(root: Path) -> None:
    at = prepared(root)
    with at.running() as up:
        settled(up)
        whole = (up.root / "wiring" / "temporal.yaml").read_text()
        at.wire("temporal", whole.partition("---\n")[0])
        up.wait_for(lambda: up.status()["tombstones"]["total"], "its absence to be noticed")
        assert [one["back"] for one in up.status()["tombstones"]["items"]] == [False]
        assert "is gone, due 2" in lockstep("status", root=up.root).stdout
        at.wire("temporal", whole)
        up.wait_for(lambda: up.status()["tombstones"]["items"][0]["back"], "that it is back")
        assert "is back, the next sweep withdraws it" in lockstep("status", root=up.root).stdout


def test_unknown_names(up: Running) -> None:
    result = lockstep("explain", "nobody/knows", root=up.root)
    assert (result.exit_code, "lockstep status" in result.stderr) == (Exit.NOT_FOUND, True)
