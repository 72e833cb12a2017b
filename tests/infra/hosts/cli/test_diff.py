import json
from typing import Any

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, lockstep, settled
from tests.infra.hosts.cli.documents import check
from tests.instance import Running, external_secret, push_secret

pytestmark = pytest.mark.e2e
FULL = f"secret/{PATH}"


def compared(up: Running, *names: str) -> Any:
    result = lockstep("diff", *names, "-o", "json", root=up.root)
    found = json.loads(result.stdout)
    check("diff", found)
    assert result.exit_code == (Exit.FINDINGS if found["changes"] or found["blocked"] else 0)
    return found


def test_nothing_would_change(up: Running) -> None:
    settled(up)
    assert compared(up)["changes"] == []
    text = lockstep("diff", root=up.root)
    assert (text.exit_code, text.stdout) == (0, "nothing would change\n")


def test_what_is_suspended_is_told_and_not_changed(up: Running) -> None:
    assert lockstep("suspend", "*", "--reason", "a look first", root=up.root).exit_code == 0
    up.at.put("platform-data", SOURCE, {"password": f"{CANARY}-next".encode()})
    up.wait_idle()
    assert {one["kind"] for one in compared(up)["blocked"]} == {"suspended"}
    assert lockstep("resume", "*", root=up.root).exit_code == 0
    assert lockstep("wait", "--all", root=up.root).exit_code == 0


def test_a_drifted_target_is_put_right_by_key_names(up: Running) -> None:
    assert lockstep("suspend", "temporal", "--reason", "look", root=up.root).exit_code == 0
    for key in (up.root / "namespaces" / "temporal" / "pg").glob("..2*/password"):
        key.write_bytes(f"{CANARY}-theirs".encode())
    up.wait_idle()
    assert lockstep("status", root=up.root).exit_code == Exit.FINDINGS
    assert lockstep("resume", "temporal", root=up.root).exit_code == 0
    assert lockstep("wait", "--all", root=up.root).exit_code == 0
    assert compared(up)["changes"] == []


def test_blocked_reasons_are_the_steps_own(up: Running) -> None:
    up.at.wire(
        "keys", push_secret("keys", f"platform-data/{SOURCE}", "platform-data/postgres/keys", ("username",)),
        external_secret("keys/pg", "platform-data/postgres/keys"),
    )  # fmt: skip
    path = "secret/platform-data/postgres/keys"
    up.wait_for(lambda: up.secret(path), "the new wiring")
    up.wait_for(  # until then the authority does not know the new path either
        lambda: ("publish", "reject") in [(one["step"], one["kind"]) for one in compared(up, path)["blocked"]],
        "the step's own reason",
    )
    assert "no source Secret has key 'username'" in " ".join(lockstep("diff", root=up.root).stdout.split())
    up.at.unwire("keys")
    up.wait_for(lambda: not up.secret("secret/platform-data/postgres/keys"), "the wiring as before")


def test_what_is_kept_from_changing_is_told(up: Running) -> None:
    up.at.wire("lost", external_secret("lost/pg", "platform-data/postgres/tempral"))
    path = "secret/platform-data/postgres/tempral"
    up.wait_for(lambda: up.secret(path), "the new wiring")
    for names in ((), ("lost/pg",), (path,)):
        (one,) = compared(up, *names)["blocked"]
        assert (one["kind"], one["about"]) == ("waiting", f"paths/{path}")
    up.at.unwire("lost")
    up.wait_for(lambda: not up.secret(path), "the wiring as before")


def test_a_file_that_nobody_can_read_keeps_what_it_says_from_happening(up: Running) -> None:
    up.at.wire("bad", "a: [\n")
    up.wait_for(lambda: compared(up)["blocked"], "the finding")
    (one,) = compared(up)["blocked"]
    assert (one["step"], one["about"], one["kind"]) == ("wiring", "wiring/bad.yaml", "unread")
    up.at.unwire("bad")
    up.wait_for(lambda: not compared(up)["blocked"], "the wiring as before")


def test_unknown_names(up: Running) -> None:
    assert lockstep("diff", "nobody/knows", root=up.root).exit_code == Exit.NOT_FOUND
    elsewhere = lockstep("diff", "-n", "nope", root=up.root)
    assert (elsewhere.exit_code, "something is in platform-data, temporal" in elsewhere.stderr) == (
        Exit.NOT_FOUND,
        True,
    )
