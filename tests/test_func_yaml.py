"""func.yaml says of the project what there is: an entry that can be built, started and probed."""

import ast
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions import NAMES
from tests.infra.hosts.one_step_process import PARLIAMENT, READINESS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def described() -> Any:
    return yaml.safe_load((ROOT / "func.yaml").read_text(encoding="utf-8"))


def variables(entries: Any) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in entries}


def test_it_is_a_python_function_for_events(described: Any) -> None:
    assert (described["runtime"], described["invoke"], described["build"]["builder"]) == (
        "python",
        "cloudevent",
        "pack",
    )
    assert described["specVersion"] == "0.36.0"


def test_its_step_exists(described: Any) -> None:
    assert variables(described["run"]["envs"])["LOCKSTEP_STEP"] in NAMES


def test_its_start_command_is_the_tested_one(described: Any) -> None:
    command = variables(described["build"]["buildEnvs"])["BP_PROCFILE_DEFAULT_PROCESS"]
    assert shlex.split(command)[1:] == shlex.split(PARLIAMENT)[1:]
    entry = ast.parse((ROOT / shlex.split(command)[-1] / "func.py").read_text(encoding="utf-8"))
    assigned = [target for node in entry.body if isinstance(node, ast.Assign) for target in node.targets]
    assert [ast.unparse(target) for target in assigned] == ["main"]


def test_its_requirements_are_pinned_by_hash_to_what_was_asked_for(described: Any) -> None:
    pinned = ROOT / variables(described["build"]["buildEnvs"])["BP_PIP_REQUIREMENT"]
    lines = pinned.read_text(encoding="utf-8").splitlines()
    names = {line.split("==")[0] for line in lines if "==" in line}
    asked = [line for line in pinned.with_suffix(".in").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert {line.split("<")[0].split(">")[0] for line in asked} <= names
    assert sum("--hash=sha256:" in line for line in lines) >= len(names)
    assert "://" not in "".join(lines)


def test_its_probes_are_answered(described: Any) -> None:
    """That these paths answer is tested with the real parliament (tests/infra/hosts/test_one_step_hosts.py)."""
    probes = described["deploy"]["healthEndpoints"]
    assert probes == {"liveness": "/health/liveness", "readiness": READINESS[PARLIAMENT]}
