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


def test_a_manifest_that_became_unreadable_is_a_problem_though_its_secret_is_in_step(up: Running) -> None:
    whole = (up.root / "wiring" / "temporal.yaml").read_text()
    up.at.wire("temporal", whole.replace("dataFrom:", "datafrom:"))
    said = (
        "spec.datafrom is no field that is known here; remove it or correct its name; the former manifest is used until"
    )
    up.wait_for(lambda: lockstep("status", root=up.root).exit_code == Exit.FINDINGS, "the finding")
    for names in (("temporal/pg",), ("-n", "temporal"), ()):
        result = lockstep("status", *names, root=up.root)
        assert (result.exit_code, said in " ".join(result.stdout.split())) == (Exit.FINDINGS, True)
        assert result.stdout.count("datafrom") == 1, "it is told once"
    explained = lockstep("explain", "temporal/pg", "-o", "json", root=up.root)
    found = json.loads(explained.stdout)
    check("explain", found)
    assert (explained.exit_code, found["firstBroken"], len(found["problems"])) == (Exit.FINDINGS, None, 1)
    assert (found["problems"][0]["file"], said in found["problems"][0]["message"]) == ("wiring/temporal.yaml", True)
    assert "in step" not in lockstep("explain", "temporal/pg", root=up.root).stdout.splitlines()
    compared = lockstep("diff", "temporal/pg", root=up.root)
    assert (compared.exit_code, said in " ".join(compared.stdout.split())) == (Exit.FINDINGS, True)
    assert lockstep("wait", "temporal/pg", "--timeout", "0.2s", root=up.root).exit_code == Exit.TIMEOUT
    up.at.wire("temporal", whole)
    assert lockstep("wait", "temporal/pg", root=up.root).exit_code == 0
    up.wait_for(lambda: "wiring/temporal.yaml is mended" in up.output(), "its mending to be told of")
    told = [line for line in up.output().splitlines() if "wiring/temporal.yaml" in line]
    assert [line.startswith("WARNING") for line in told] == [True, True], "once each"
    assert said in told[0]


def test_a_first_policy_that_cannot_be_used_is_a_problem(up: Running) -> None:
    policy = up.root / "access.yaml"
    up.at.lay(policy, "apiVersion: lockstep.dev/v1alpha1\nkind: AccessPolicy\nspec:\n  namespaces: {a: {reads: []}}\n")
    up.wait_for(lambda: "access.yaml:4" in up.output(), "the policy to be told of")
    result = lockstep("status", root=up.root)
    assert result.exit_code == Exit.FINDINGS
    assert "!  access.yaml:4: spec.namespaces.a.reads is no field that is known here" in result.stdout
    assert "until it is mended every wired path is allowed" in " ".join(result.stdout.split())
    policy.unlink()
    up.wait_for(lambda: "access.yaml is gone" in up.output(), "its removal to be told of")
    result = lockstep("status", root=up.root)
    assert (result.exit_code, "access.yaml:4" in result.stdout) == (0, False)


def test_narrowed_by_namespace_and_name(up: Running) -> None:
    for arguments in (
        ("-n", "temporal"),
        ("temporal/pg",),
        (f"platform-data/{SOURCE}",),
        (FULL,),
        ("pg", "-n", "temporal"),
    ):
        assert FULL in lockstep("status", *arguments, root=up.root).stdout, arguments
    elsewhere = lockstep("status", "-n", "tempral", root=up.root)
    assert elsewhere.exit_code == Exit.NOT_FOUND
    assert elsewhere.stdout.startswith("nothing is wired in namespace tempral; did you mean temporal?\n")
    check("status", json.loads(lockstep("status", "-n", "tempral", "-o", "json", root=up.root).stdout))
    assert lockstep("status", "-A", root=up.root).exit_code == 0
    unknown = lockstep("status", "nobody/knows", root=up.root)
    assert (unknown.exit_code, "lockstep status" in unknown.stderr) == (Exit.NOT_FOUND, True)


def test_nobody_there(tmp_path: Path) -> None:
    result = lockstep("status", root=tmp_path)
    assert result.exit_code == Exit.UNREACHABLE
    assert f"lockstep up --root {tmp_path}" in result.stderr


def test_without_a_root() -> None:
    result = lockstep("status")
    assert (result.exit_code, "LOCKSTEP_ROOT" in result.output) == (Exit.USAGE, True)
