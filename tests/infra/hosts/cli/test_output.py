"""What commands print obeys nobody but the reader, and where it cannot be written, that is said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.output import document, json_text

HOSTILE = "a\x1b[2J\x7f\x9b31m\u202eb\U000e0001\u2028\u00e4"


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_documents_cannot_command_a_terminal(output: str) -> None:
    text = document({"reason": HOSTILE, "list": ["\u00e4"]}, output)
    assert all(one.isprintable() or one == "\n" for one in text)
    read = json.loads(text) if output == "json" else yaml.safe_load(text)
    assert read == {"reason": HOSTILE, "list": ["\u00e4"]}


def test_what_is_readable_stays_readable() -> None:
    assert json_text({"a": "gr\u00fc\u00df"}) == '{"a": "gr\u00fc\u00df"}'
    assert "gr\u00fc\u00df" in document({"a": "gr\u00fc\u00df"}, "yaml")


def test_errors_quote_without_commands() -> None:
    error = CommandError("nothing is called \x1b[31mx\u202e\nnext line", Exit.NOT_FOUND)
    assert error.message == "nothing is called \\x1b[31mx\\x202e\nnext line"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_and_no_traceback() -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        ended = subprocess.run(
            [sys.executable, "-c", "from infra.hosts.cli.main import main; main()", "steps"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == Exit.REFUSED
    assert ended.stderr.startswith("Error: the output cannot be written")
    assert "Traceback" not in ended.stderr
