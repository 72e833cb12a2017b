"""Whose commands are obeyed: those of the user who runs Lockstep, and of root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.hosts.cli.failures import Exit
from tests.instance import Running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user"),
]
STRANGER = 54321
PROGRAM = """
import os
from infra.hosts.cli import reconcile, status, suspend  # while this user's Python may still be read
from infra.hosts.cli.main import main
os.setgid({uid}); os.setuid({uid})
main()
"""


@pytest.mark.parametrize("arguments", [("status",), ("suspend", "*", "--reason", "mine"), ("reconcile", "--all")])
def test_another_user_is_refused_and_told_who_to_ask(up: Running, arguments: tuple[str, ...]) -> None:
    for folder in [up.root, *up.root.parents]:
        if folder.stat().st_mode & 0o777 == 0o700 and folder != Path("/"):
            folder.chmod(0o755)  # a temporary directory is its user's own; ROOT/state is what must keep others out
    program = PROGRAM.format(uid=STRANGER)
    environment = {"LOCKSTEP_ROOT": str(up.root), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True,
        cwd=Path(__file__).parents[4], check=False,
    )  # fmt: skip
    assert done.returncode == Exit.REFUSED, done
    assert "belongs to another user" in done.stderr
    assert up.status()["suspensions"] == []
