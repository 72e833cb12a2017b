"""`make demo-cluster`: the example on a real API server, as kubectl shows it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.testbed.binaries import Binaries

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def printed(testbed_binaries: Binaries) -> str:
    if testbed_binaries.kubectl is None:
        pytest.skip("no kubectl beside the cluster's programs: run `make testbed`")
    command = [sys.executable, "-m", "examples.postgres.cluster_demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_change_arrives_and_the_ledger_verifies(printed: str) -> None:
    rows = re.findall(r"^[123] +postgres/(temporal|backstage) .* ms$", printed, re.MULTILINE)
    assert sorted(rows) == ["backstage"] * 3 + ["temporal"] * 3
    assert "3 of 3 in step" in printed
    assert re.search(r"^verified up to entry \d+$", printed, re.MULTILINE)


def test_kubectl_shows_what_users_of_the_operator_expect(printed: str) -> None:
    assert len(re.findall(r"^PushSecret .* True +Synced$", printed, re.MULTILINE)) == 3
    assert len(re.findall(r"^ExternalSecret .* True +SecretSynced$", printed, re.MULTILINE)) == 3
    assert re.search(
        r'^temporal +postgres +postgres +\{"secret/platform-data/postgres/temporal"', printed, re.MULTILINE
    )


def test_no_password_is_printed(printed: str) -> None:
    assert not re.search(r"[A-Za-z0-9_-]{32}", re.sub(r"\.\.\.|[0-9a-f]{16}", "", printed).replace("credentials", ""))
