"""What cannot be meant is refused as usage, before anything is asked, and what is expected is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import lockstep

NAMES = "NAMESPACE/NAME, KIND/NAMESPACE/NAME or MOUNT/PATH"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("explain", ""), NAMES),
        (("explain", "  "), NAMES),
        (("explain", "a/b", "-n", ""), "give a namespace"),
        (("status", "temporal/postgres", ""), NAMES),
        (("diff", ""), NAMES),
        (("reconcile", ""), NAMES),
        (("wait", ""), NAMES),
        (("events", "--since", "banana"), "30s, 10m, 2h, 1d"),
        (("events", "--since", ""), "30s, 10m, 2h, 1d"),
        (("events", "--since", "1.5"), "30s, 10m, 2h, 1d"),
        (("events", "--subject", ""), NAMES),
        (("events", "--correlation", ""), "the id that events have"),
        (("events", "--limit", "0"), "1<=x<=1000"),
        (("suspend", "", "--reason", "r"), "NAMESPACE/NAME or MOUNT/PATH"),
        (("resume", ""), "NAMESPACE/NAME or MOUNT/PATH"),
        (("adopt", "", "--by", "a/b"), "give MOUNT/PATH"),
        (("adopt", "secret/a", "--by", ""), "give NAMESPACE/NAME"),
        (("dead-letters", "drop", "--all", "--step", ""), "the name of a step"),
        (("audit", "show", "--since", "banana"), "2026-01-31T12:00:00Z"),
        (("audit", "show", "--last", "-1"), "1<=x"),
        (("audit", "show", "--subject", ""), NAMES),
        (("emit", ""), "there are"),
        (("wait", "--all", "--timeout", "banana"), "60s"),
    ],
)
def test_usage(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    result = lockstep(*arguments, root=tmp_path)
    assert result.exit_code == Exit.USAGE, result.output
    assert expected in result.stderr


@pytest.mark.parametrize("since", ["0", "17", "30s", "1.5h", "250ms"])
def test_moments(tmp_path: Path, since: str) -> None:
    assert lockstep("events", "--since", since, root=tmp_path).exit_code == Exit.UNREACHABLE


def test_speaking_to_a_running_instance_loads_neither_a_server_nor_the_models() -> None:
    script = "import sys; import infra.hosts.cli.status, infra.hosts.cli.events; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {"uvicorn", "asyncio", "pydantic", "yaml", "sqlite3", "urllib3"} & set(found.stdout.split())
