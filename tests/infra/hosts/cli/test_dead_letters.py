import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, SOURCE, answered, lockstep, prepared
from tests.instance import Running

pytestmark = pytest.mark.e2e


@pytest.fixture
def dead(root: Path) -> Iterator[Running]:
    """A Lockstep whose producer's Secret lacks a key that its PushSecret names: the delivery was given up."""
    with prepared(root, keys=("password", "username")).running() as up:
        up.wait_for(lambda: up.at.dead_letters(SOURCE), "a dead letter")
        up.wait_idle()
        yield up


def numbers(up: Running, *flags: str) -> list[int]:
    return [item["number"] for item in answered("dead-letters", "list", *flags, root=up.root)["items"]]


def test_listed_and_shown_without_values(dead: Running) -> None:
    listed = answered("dead-letters", "list", root=dead.root)["items"]
    about = next(item for item in listed if SOURCE in (item["subject"] or ""))
    assert (about["step"], about["outcome"]) == ("publish", None)
    assert "username" in about["reason"]
    for form in ((), ("-o", "wide")):
        assert "publish" in lockstep("dead-letters", "list", *form, root=dead.root).stdout
    shown = answered("dead-letters", "show", str(about["number"]), root=dead.root)
    assert shown["event"]["subject"] == about["subject"]
    assert shown["event"]["knativeerrorcode"] == "422"
    assert shown["data"]["secret"]["name"] == SOURCE
    checks = {check["name"]: check for check in answered("check", root=dead.root)["checks"]}
    assert {checks[name]["status"] for name in ("dead letters", "in step")} == {"warn"}
    text = lockstep("dead-letters", "show", str(about["number"]), root=dead.root).stdout
    assert f"lockstep dead-letters replay {about['number']}" in text


def test_data_that_might_hold_anything_is_withheld(dead: Running) -> None:
    assert (
        dead.send("dev.lockstep.secret.changed", {"password": CANARY}, subject="namespaces/a/secrets/b").status == 202
    )
    dead.wait_for(lambda: dead.at.dead_letters("namespaces/a/secrets/b"), "its dead letter")
    dead.wait_idle()
    newest = numbers(dead)[-1]
    shown = answered("dead-letters", "show", str(newest), root=dead.root)
    assert (shown["data"], "might hold anything" in shown["withheld"]) == (None, True)
    assert "withheld" in lockstep("dead-letters", "show", str(newest), root=dead.root).stdout
    assert lockstep("dead-letters", "list", "-o", "json", root=dead.root).exit_code == 0


def test_replayed_after_its_cause_is_mended(dead: Running) -> None:
    dead.at.put("platform-data", SOURCE, {"password": f"{CANARY}-2".encode(), "username": b"temporal"})
    dead.wait_for(lambda: dead.at.values("temporal", "pg"), "the mended value")
    dead.wait_idle()
    mine = numbers(dead)  # those that a newer event about the same did not settle
    assert mine
    result = lockstep("dead-letters", "replay", *map(str, mine), root=dead.root)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("replayed by operator:") == len(mine)
    dead.wait_idle()
    assert numbers(dead) == []
    assert set(mine) <= set(numbers(dead, "--all"))
    recorded = answered("audit", "show", "--kind", "replay", root=dead.root)["items"]
    assert len(recorded) == len(mine)
    assert all(entry["principal"].startswith("operator:") for entry in recorded)
    again = lockstep("dead-letters", "replay", str(mine[0]), root=dead.root)
    assert (again.exit_code, "already" in again.stderr) == (Exit.REFUSED, True)


@pytest.mark.orderly("a delivery that comes again dies again, under another number")
def test_a_replay_whose_cause_is_not_mended_dies_again(dead: Running) -> None:
    before = numbers(dead)
    answer = answered("dead-letters", "replay", "--all", "--yes", "--step", "publish", root=dead.root)
    assert [item["number"] for item in answer["items"]] == before
    dead.wait_for(lambda: len(dead.at.dead_letters()) == len(before), "the same dead letters anew")
    assert not set(before) & set(numbers(dead))


def test_dropped_for_good_and_on_record(dead: Running) -> None:
    asked = lockstep("dead-letters", "drop", str(numbers(dead)[0]), root=dead.root, stdin="")
    assert (asked.exit_code, "--yes" in asked.stderr) == (Exit.USAGE, True)
    count = len(numbers(dead))
    assert lockstep("dead-letters", "drop", "--all", "--yes", root=dead.root).exit_code == 0
    assert numbers(dead) == []
    assert len(answered("audit", "show", "--kind", "drop", root=dead.root)["items"]) == count
    closed = answered("dead-letters", "list", "--all", root=dead.root)["items"]
    assert {(item["outcome"], item["by"].partition(":")[0]) for item in closed} == {("dropped", "operator")}
    assert "no dead letters" in lockstep("dead-letters", "list", root=dead.root).stderr


def test_what_cannot_be_done(dead: Running) -> None:
    assert lockstep("dead-letters", "show", "4711", root=dead.root).exit_code == Exit.NOT_FOUND
    for act in (("replay",), ("drop", "--yes")):
        unknown = lockstep("dead-letters", *act, "4711", root=dead.root)
        assert (unknown.exit_code, "`lockstep dead-letters list`" in unknown.stderr) == (Exit.NOT_FOUND, True)
    assert lockstep("dead-letters", "replay", root=dead.root).exit_code == Exit.USAGE
    assert lockstep("dead-letters", "drop", "1", "--all", "--yes", root=dead.root).exit_code == Exit.USAGE
    assert lockstep("dead-letters", "drop", "1", "--step", "publish", "--yes", root=dead.root).exit_code == Exit.USAGE


def test_a_request_that_names_nothing_is_refused(dead: Running) -> None:
    for body in ({}, {"numbers": "all"}, {"numbers": [True, "x"]}):
        answer = dead.ask("POST", "/control/v1/dead-letters/drop", body=json.dumps(body).encode())
        assert answer.status == 400
    assert dead.request("POST", "/control/v1/dead-letters/drop", body=b'{"everything": true}').status == 404
