"""The command line of rotations, on values that nothing outside accepts (type generated)."""

import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from infra.hosts.cli.failures import Exit
from tests.e2e.conftest import Team
from tests.infra.hosts.cli.documents import check
from tests.instance import Running, external_secret

pytestmark = pytest.mark.e2e


class Desk:
    """One team's rotation, and the commands about it."""

    def __init__(self, up: Running, team: Team) -> None:
        self.up, self.team, self.name = up, team, f"{team.consumer}/{team.name}"
        rotation = {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
            "metadata": {"namespace": team.consumer, "name": team.name},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"}, "remoteKey": team.path, "strategy": "single",
                "target": {"name": team.name, "account": "signing"},
            },
        }  # fmt: skip
        up.at.wire(team.name, rotation, external_secret(team.target, team.path))

    def declare(self, accounts: tuple[str, ...] = ("*",), **spec: Any) -> None:
        folder = self.up.root / "targets"
        folder.mkdir(exist_ok=True)
        target = {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": self.team.name},
            "spec": {
                "type": "generated", "allow": [{"namespaces": [self.team.consumer], "accounts": list(accounts)}], **spec
            },
        }  # fmt: skip
        self.up.at.lay(folder / f"{self.team.name}.yaml", yaml.safe_dump(target))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LOCKSTEP_ROOT": str(self.up.root)}
        command = [self.up.at.program[0], *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=environment)

    def asked(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def passes(self) -> bool:
        return self.run("rotate", self.name, "--dry-run").returncode == Exit.OK


@pytest.fixture
def desk(shared: Running, team: Team) -> Desk:
    made = Desk(shared, team)
    shared.wait_for(lambda: made.run("rotation", "show", made.name).returncode == Exit.OK, "the wired Rotation")
    return made


def test_from_the_dry_run_to_the_end(desk: Desk) -> None:
    refused = desk.run("rotate", desk.name, "--dry-run")
    assert refused.returncode == Exit.FINDINGS
    assert "is not declared" in refused.stdout
    assert desk.run("rotate", desk.name).returncode == Exit.REFUSED
    desk.declare()
    desk.up.wait_for(desk.passes, "a target that is declared")
    plan = desk.asked("rotate", desk.name, "--dry-run")
    check("rotate", plan)
    assert [one["secret"] for one in plan["consumers"]] == [desk.team.target]
    assert plan["phase"] == "never"
    assert desk.up.version(desk.team.full_path) == 0  # it changed nothing
    done = desk.run("rotate", desk.team.full_path, "--wait")
    assert done.returncode == Exit.OK, done
    assert "is at version 1" in done.stdout
    shown = desk.asked("rotation", "show", desk.name)
    check("rotation show", shown)
    check("rotation list", desk.asked("rotation", "list"))
    assert (shown["phase"], shown["version"]["number"]) == ("completed", 1)
    assert shown["due"] is None
    assert desk.name in desk.run("rotation", "list", "-n", desk.team.consumer, "-o", "wide").stdout
    assert f"from Rotation {desk.name}" in desk.run("status", desk.team.full_path).stdout
    assert "nothing under way; never due by itself" in desk.run("explain", desk.team.full_path).stdout
    assert (desk.up.at.values(*desk.team.target.split("/")) or {}).keys() == {"value"}


def test_one_that_waits_says_for_what_and_how_it_is_mended(desk: Desk) -> None:
    desk.declare(
        type="postgres", parameters={"host": "127.0.0.1", "port": 1},
        admin={"secretStoreRef": {"name": "vault-backend"}, "remoteKey": f"{desk.team.path}-admin"},
    )  # fmt: skip
    desk.up.wait_for(lambda: desk.run("rotate", desk.name).returncode == Exit.OK, "a target that is declared")
    desk.up.wait_for(lambda: desk.asked("rotation", "show", desk.name)["trouble"], "the trouble")
    shown = desk.asked("rotation", "show", desk.name)
    check("rotation show", shown)
    assert (shown["phase"], shown["holds"]) == ("staged", "unknown")  # a first one: there is no old credential
    detail = shown["record"]["trouble"]["detail"]
    assert desk.team.name in detail  # which target, and what it met there
    text = " ".join(desk.run("rotation", "show", desk.name).stdout.split())
    assert "due: under way" in text
    assert "works: old" not in text
    assert "waits for: " in text
    broken = desk.asked("explain", desk.team.full_path)["firstBroken"]
    assert (broken["hop"], broken["state"]) == ("rotation", "broken")
    assert desk.team.name in broken["says"]
    assert broken["mend"] == [f"lockstep rotate {desk.name} --dry-run", f"lockstep rotation resume {desk.name}"]
    assert f"is not at {desk.team.full_path}-admin" in " ".join(
        desk.run("rotate", desk.name, "--dry-run").stdout.split()
    )
    assert desk.run("rotation", "abort", desk.name).returncode == Exit.OK


def test_what_may_not_be_changed_is_refused_by_name(desk: Desk) -> None:
    desk.declare(accounts=("other",))
    desk.up.wait_for(
        lambda: "does not let namespace" in desk.run("rotate", desk.name, "--dry-run").stdout, "the target's refusal"
    )
    assert desk.run("rotate", desk.name).returncode == Exit.REFUSED


def test_there_is_nothing_to_give_up(desk: Desk) -> None:
    for verb in ("abort", "resume"):
        done = desk.run("rotation", verb, desk.name)
        assert done.returncode == Exit.REFUSED
        assert "no rotation of" in done.stderr


def test_an_unknown_name(desk: Desk) -> None:
    done = desk.run("rotate", "nobody/nothing")
    assert done.returncode == Exit.NOT_FOUND
    assert "lockstep rotation list" in done.stderr
