import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.hosts.cli.commands import lockstep

PROGRAM = Path(sys.executable).with_name("lockstep")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    result = lockstep("completion", shell)
    assert result.exit_code == 0
    assert "_LOCKSTEP_COMPLETE" in result.stdout
    assert "lockstep" in result.stdout


@pytest.mark.parametrize(("words", "expected"), [("lockstep sta", "status"), ("lockstep dead-letters re", "replay")])
def test_it_completes(words: str, expected: str) -> None:
    environment = {
        "PATH": os.environ["PATH"], "_LOCKSTEP_COMPLETE": "bash_complete",
        "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert expected in done.stdout


def test_other_shells_are_refused() -> None:
    assert lockstep("completion", "tcsh").exit_code == 2
