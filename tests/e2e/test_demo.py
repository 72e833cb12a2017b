"""`make demo`, and that the README shows what it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def printed() -> str:
    command = [sys.executable, "-m", "examples.postgres.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_numbers(text: str) -> list[str]:
    lines = (re.sub(r"\d+", "N", re.sub(r"\d+[smh]\b", "Ns", line)).rstrip() for line in text.splitlines())
    return [re.sub(r" +", " ", line) for line in lines]


def test_every_change_arrives_and_the_ledger_verifies(printed: str) -> None:
    rows = re.findall(r"^[123] +postgres/(temporal|backstage) .* ms$", printed, re.MULTILINE)
    assert sorted(rows) == ["backstage"] * 3 + ["temporal"] * 3
    assert "3 of 3 in step" in printed
    assert re.search(r"^verified up to entry \d+$", printed, re.MULTILINE)


def test_the_readme_shows_status_as_it_prints(printed: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("$ lockstep status\n", 1)[1].split("```", 1)[0].strip()
    real = printed.split("$ lockstep status\n", 1)[1].split("\n$ lockstep", 1)[0].strip()
    assert without_numbers(shown) == without_numbers(real)


def test_no_password_is_printed(printed: str) -> None:
    assert not re.search(r"[A-Za-z0-9_-]{32}", re.sub(r"\.\.\.|[0-9a-f]{16}", "", printed).replace("credentials", ""))
