import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, answered, lockstep, settled
from tests.infra.hosts.cli.documents import check
from tests.instance import PATIENCE, Running, wait_for

pytestmark = pytest.mark.e2e


def listed(up: Running, *arguments: str) -> list[dict[str, Any]]:
    found = answered("events", *arguments, root=up.root)
    check("events", found)
    events: list[dict[str, Any]] = found["events"]
    return events


def test_the_chain_of_a_change_in_order(up: Running) -> None:
    settled(up)
    first = next(one for one in listed(up, "--since", "0") if one["type"] == "secret.published")
    chain = listed(up, "--since", "0", "--correlation", first["correlation"])
    assert [one["sequence"] for one in chain] == sorted(one["sequence"] for one in chain)
    said = [(one["type"], one["step"], one["outcome"]) for one in chain]
    assert ("secret.published", "step:publish", "accepted") in said
    assert ("secret.published", "materialize", "delivered") in said
    assert ("secret.materialized", "step:materialize", "accepted") in said
    assert next(one for one in chain if one["type"] == "secret.materialized")["versions"] == {f"secret/{PATH}": 1}


def test_narrowed(up: Running) -> None:
    by_name = listed(up, "--subject", "temporal/pg")
    assert by_name
    assert {one["about"].removeprefix("ExternalSecret ") for one in by_name} == {"temporal/pg"}
    target = [one for one in by_name if one["about"] == "temporal/pg"]
    assert listed(up, "--subject", target[0]["subject"]) == target
    assert {one["about"] for one in listed(up, "-n", "temporal")} >= {"temporal/pg", f"secret/{PATH}"}
    assert listed(up, "-n", "elsewhere") == []
    assert "none is about nobody/knows" in lockstep("events", "--subject", "nobody/knows", root=up.root).stderr
    assert len(listed(up, "--limit", "2")) == 2
    assert listed(up, "--since", "1h") == listed(up, "--since", "0")
    position = answered("events", root=up.root)["position"]
    assert listed(up, "--since", str(position)) == []


def test_read_by_people(up: Running) -> None:
    lines = lockstep("events", "--since", "0", root=up.root).stdout.splitlines()
    assert lines[0].split() == ["TIME", "STEP", "OUTCOME", "EVENT", "ABOUT", "VER", "TOOK"]
    assert all(len(line) <= 120 for line in lines)
    assert any("secret.materialized" in line and "temporal/pg" in line for line in lines)
    wide = lockstep("events", "--since", "0", "-o", "wide", root=up.root).stdout
    assert "step:materialize" in wide


@pytest.mark.parametrize("since", ["yesterday", "-5", "10 m", "1w", "banana", ""])
def test_a_wrong_since_says_what_it_takes(up: Running, since: str) -> None:
    result = lockstep("events", "--since", since, root=up.root)
    assert (result.exit_code, "10m" in result.stderr) == (Exit.USAGE, True)


@contextlib.contextmanager
def following(up: Running, output: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(sys.executable).with_name("lockstep")
    environment = {"LOCKSTEP_ROOT": str(up.root), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [program, "events", "--follow", *arguments], stdout=stream, stderr=subprocess.STDOUT, env=environment
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE)


def test_followed_as_it_happens_until_interrupted(up: Running, tmp_path: Path) -> None:
    output = tmp_path / "events"
    with following(up, output, "-o", "json", "-n", "temporal") as process:
        wait_for(lambda: output.stat().st_size, "what happened before")
        before = len(output.read_text().splitlines())
        up.at.put("platform-data", SOURCE, {"password": f"{CANARY}-followed".encode()})
        wait_for(lambda: '"secret.materialized"' in _after(output, before), "the new value as it happens")
        process.send_signal(2)
        assert process.wait(PATIENCE) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len({line["sequence"] for line in lines}) == len(lines), "no line twice"
    assert CANARY not in output.read_text()


def _after(output: Path, before: int) -> str:
    return "\n".join(output.read_text().splitlines()[before:])


def test_following_ends_when_lockstep_does(root: Path, tmp_path: Path) -> None:
    from tests.infra.hosts.cli.commands import prepared

    output = tmp_path / "events"
    with prepared(root).running() as up, following(up, output) as process:
        wait_for(lambda: output.stat().st_size, "its first line")
        assert up.stop() == 0
        assert process.wait(PATIENCE) == Exit.UNREACHABLE
    assert (
        "lockstep up" in output.read_text() or "did not answer" in output.read_text() or "stopped" in output.read_text()
    )
