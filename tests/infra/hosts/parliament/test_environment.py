"""The environment is what it is made for: the real parliament, an older SDK, and steps that need neither."""

import subprocess

import pytest

from tests.infra.hosts.one_step_process import ROOT
from tests.infra.hosts.parliament import environment

pytestmark = pytest.mark.e2e

_VERSIONS = "from importlib.metadata import version; print(version('cloudevents'), version('parliament-functions'))"
_LOADED = """
import sys
import infra.hosts.parliament.function
import functions
[functions.step(name) for name in functions.NAMES]
print([name for name in ("cloudevents", "flask", "parliament") if name in sys.modules])
"""


def run(program: str) -> str:
    done = subprocess.run(
        [environment.python(), "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_it_has_the_real_parliament_and_the_sdk_before_two() -> None:
    cloudevents, parliament = run(_VERSIONS).split()
    assert (cloudevents.split(".")[0], parliament) == ("1", "0.1.0")


def test_no_step_loads_the_sdk_or_the_server() -> None:
    assert run(_LOADED) == "[]"


def test_it_is_made_once() -> None:
    complete = environment.python().parents[1] / "complete"
    made = complete.stat().st_mtime_ns
    assert environment.python().parents[1] / "complete" == complete
    assert complete.stat().st_mtime_ns == made
