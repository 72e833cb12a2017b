import json
from pathlib import Path

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, lockstep, settled
from tests.infra.hosts.cli.documents import check, promised
from tests.instance import Running

pytestmark = pytest.mark.e2e
FULL = f"secret/{PATH}"


def test_all_in_step(up: Running) -> None:
    settled(up)
    result = lockstep("status", root=up.root)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{FULL}" in result.stdout
    assert "from PushSecret platform-data/push" in result.stdout
    assert "to   temporal/pg" in result.stdout
    assert "1 of 1 in step" in result.stdout
    assert "no access.yaml: one trust domain" in result.stdout
    assert "development seal" in result.stdout
    assert all(len(line) <= 120 for line in result.stdout.splitlines())


def test_the_document_is_what_the_reference_promises(up: Running) -> None:
    found = json.loads(lockstep("status", "-o", "json", root=up.root).stdout)
    check("status", found)
    assert {member for member in promised("status") if "." not in member} == found.keys()
    (secret,) = found["secrets"]
    assert (secret["path"], secret["class"], secret["inStep"]) == (FULL, "internal secret", True)
    assert secret["lastStep"]["step"] in ("publish", "materialize")
    assert secret["consumers"][0]["lastStep"]["step"] == "materialize"
    assert secret["sources"] == [f"platform-data/{SOURCE}"]
    yaml = lockstep("status", "-o", "yaml", root=up.root)
    assert (yaml.exit_code, "secrets:" in yaml.stdout) == (0, True)
    assert f"Secret platform-data/{SOURCE}" in lockstep("status", "-o", "wide", root=up.root).stdout


def test_it_tells_the_truth_while_something_is_suspended(up: Running) -> None:
    assert lockstep("suspend", "platform-data", "--reason", "a migration", root=up.root).exit_code == 0
    up.at.put("platform-data", SOURCE, {"password": f"{CANARY}-suspended".encode()})
    result = lockstep("status", root=up.root)
    assert result.exit_code == Exit.FINDINGS
    assert "the source changed and is not published yet (suspended: a migration" in result.stdout
    assert "0 of 1 in step" in result.stdout
    up.wait_idle()
    assert lockstep("status", root=up.root).exit_code == Exit.FINDINGS, "also when the event came and went"
    assert lockstep("resume", "platform-data", root=up.root).exit_code == 0
    assert lockstep("wait", "--all", root=up.root).exit_code == 0
    assert lockstep("status", root=up.root).exit_code == 0


def test_a_manifest_that_cannot_be_read_is_named_with_its_line(up: Running) -> None:
    up.at.wire("bad", "kind: PushSecret\n  apiVersion: [\n")
    up.wait_for(lambda: lockstep("status", root=up.root).exit_code == Exit.FINDINGS, "the finding")
    result = lockstep("status", root=up.root)
    assert "wiring/bad.yaml:2" in result.stdout
    assert "NOT COMPLETE: nothing is retracted" in result.stdout
    assert "1 of 1 in step" in result.stdout
    up.at.unwire("bad")
    up.wait_for(lambda: lockstep("status", root=up.root).exit_code == 0, "all well again")


def test_narrowed_by_namespace_and_name(up: Running) -> None:
    for arguments in (
        ("-n", "temporal"),
        ("temporal/pg",),
        (f"platform-data/{SOURCE}",),
        (FULL,),
        ("pg", "-n", "temporal"),
    ):
        assert FULL in lockstep("status", *arguments, root=up.root).stdout, arguments
    assert "nothing is wired" in lockstep("status", "-n", "elsewhere", root=up.root).stdout
    unknown = lockstep("status", "nobody/knows", root=up.root)
    assert (unknown.exit_code, "lockstep status" in unknown.stderr) == (Exit.NOT_FOUND, True)


def test_nobody_there(tmp_path: Path) -> None:
    result = lockstep("status", root=tmp_path)
    assert result.exit_code == Exit.UNREACHABLE
    assert f"lockstep up --root {tmp_path}" in result.stderr


def test_without_a_root() -> None:
    result = lockstep("status")
    assert (result.exit_code, "LOCKSTEP_ROOT" in result.output) == (Exit.USAGE, True)
