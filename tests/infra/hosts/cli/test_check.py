import json
from pathlib import Path
from typing import Any

import pytest

from functions import BY_NAME
from infra.deploy.vault_policies import Policy
from infra.hosts.cli.failures import Exit
from infra.hosts.openbao.identities import WARDEN, Identities
from infra.hosts.openbao.warden import Warden
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper
from tests.infra.hosts.cli.commands import answered, lockstep, prepared, settled
from tests.instance import Running, store
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e

EVERYTHING = 'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'


def checked(up: Running) -> dict[str, dict[str, Any]]:
    result = lockstep("check", "-o", "json", root=up.root)
    found = json.loads(result.stdout)
    failed = any(check["status"] == "fail" for check in found["checks"])
    assert (result.exit_code, found["passed"]) == ((Exit.FINDINGS, False) if failed else (0, True))
    assert all(check["action"] for check in found["checks"] if check["status"] != "ok"), "what to do is missing"
    return {check["name"]: check for check in found["checks"]}


def overwrite(up: Running, step: str, text: str) -> None:
    """Give a step another policy at the authority, as somebody with the warden's credential could."""
    identity = Identities(up.root / "state" / "identities").read(WARDEN)
    assert identity is not None
    http = HttpClient(VaultSettings(up.authority))
    client = VaultClient(http, TokenKeeper(http, AppRoleAuth(http, identity.role_id, identity.secret_id)), WARDEN)
    Warden(client).apply((Policy(f"lockstep-{step}", text),))
    client.close()
    http.close()


def test_a_fresh_installation_passes_with_warnings(up: Running) -> None:
    up.wait_idle()
    found = checked(up)
    assert {name for name, check in found.items() if check["status"] == "warn"} == {"seal key", "access policy"}
    assert {f"step {name}" for name in BY_NAME} <= found.keys()
    assert "is ignored" in found["store vault-backend"]["message"]
    assert lockstep("check", "--strict", root=up.root).exit_code == Exit.FINDINGS
    text = lockstep("check", root=up.root)
    assert (text.exit_code, "0 failed" in text.stdout) == (0, True)


def test_nobody_there(tmp_path: Path) -> None:
    result = lockstep("check", root=tmp_path)
    assert (result.exit_code, "lockstep up" in result.stderr) == (Exit.UNREACHABLE, True)


def test_what_is_wrong_is_found_and_mended(root: Path, tmp_path: Path) -> None:
    at = prepared(root)
    seal = root / "state" / "openbao" / "development-seal.key"
    seal.rename(tmp_path / "seal.key")
    at.options = ("--seal-key", str(tmp_path / "seal.key"))
    at.allow(platform_data={"publish": ["secret/**"]}, temporal={"read": ["secret/**"]})
    with at.running() as up:
        settled(up)
        found = checked(up)
        assert {check["status"] for check in found.values()} == {"ok"}, found
        assert lockstep("check", "--strict", root=root).exit_code == 0

        (root / "state").chmod(0o755)
        assert checked(up)["state directory"]["status"] == "fail"
        (root / "state").chmod(0o700)
        (root / "wiring").chmod(0o777)
        assert str(root / "wiring") in checked(up)["configuration files"]["message"]
        (root / "wiring").chmod(0o755)

        good = (root / "access.yaml").read_text()
        (root / "access.yaml").write_text("nonsense: [")
        assert "access.yaml" in checked(up)["access policy"]["message"]
        (root / "access.yaml").write_text(good)

        at.wire("broken", "kind: [")
        up.wait_for(lambda: checked(up)["wiring"]["status"] == "fail", "the finding")
        assert "broken.yaml" in checked(up)["wiring"]["message"]
        at.unwire("broken")
        up.wait_for(lambda: checked(up)["wiring"]["status"] == "ok", "the mended wiring")

        assert answered("audit", "verify", "--anchor-now", root=root)["intact"]
        assert "are anchored" in checked(up)["ledger"]["message"]


def test_both_directions_of_every_permission(root: Path) -> None:
    at = prepared(root)
    (root / "state" / "openbao" / "development-seal.key").rename(root / "seal.key")
    at.options = ("--seal-key", str(root / "seal.key"))
    with at.running() as up:
        settled(up)
        assert "lies within ROOT" in checked(up)["seal key"]["message"]
        own = 'path "sys/capabilities-self" {\n  capabilities = ["update"]\n}\n'
        own += 'path "auth/token/lookup-self" {\n  capabilities = ["read"]\n}\n'
        overwrite(up, "sweep", own)
        found = checked(up)["step sweep"]
        assert (found["status"], "it may not " in found["message"]) == ("fail", True)
        overwrite(up, "record", EVERYTHING)
        found = checked(up)["step record"]
        assert (found["status"], "does not declare" in found["message"]) == ("fail", True)
        assert checked(up)["step publish"]["status"] == "ok"


def test_an_existing_authority(tmp_path: Path, openbao: OpenBao) -> None:
    at = prepared(tmp_path / "root")
    token = openbao.token(EVERYTHING).reveal().decode()
    at.environment.update(VAULT_ADDR=openbao.settings.address, VAULT_TOKEN=token)
    with at.running() as up:
        found = checked(up)
        assert (found["permissions"]["status"], found["seal key"]["status"]) == ("warn", "ok")
        assert (found["store vault-backend"]["status"], found["wiring"]["status"]) == ("fail", "fail")
        assert not [name for name in found if name.startswith("step ")]
        assert token not in json.dumps(found)
        named = dict(store())
        named["spec"] = {"provider": {"vault": {"server": openbao.settings.address, "path": "secret", "version": "v2"}}}
        at.wire("store", named)
        up.wait_for(lambda: checked(up)["store vault-backend"]["status"] == "ok", "the corrected store")
