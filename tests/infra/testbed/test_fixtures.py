"""What becomes of tests that need a cluster on a machine without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_NEEDS_IT = "tests/infra/testbed/test_cluster.py::test_it_is_the_release_that_was_asked_for"


@pytest.mark.parametrize(("required", "status", "told"), [("", 0, "1 skipped"), ("1", 1, "1 error")])
def test_they_are_skipped_and_fail_where_nothing_may_be_skipped(
    tmp_path: Path, required: str, status: int, told: str
) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": "", "LOCKSTEP_REQUIRE_ALL": required}
    environ.pop("KUBEBUILDER_ASSETS", None)
    for name in [name for name in environ if name.startswith("PYTEST_")]:
        del environ[name]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'pytest'}", _NEEDS_IT]
    done = subprocess.run(command, env=environ, capture_output=True, check=False, text=True)
    assert done.returncode == status, done.stdout
    assert told in done.stdout
    assert "no test cluster: run `make testbed`" in done.stdout
