"""`make demo`: what it shows, that it leaves nothing behind, and that the README shows what it prints."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import wait_for

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "postgres"
DEMO = (sys.executable, "-m", "examples.postgres.demo")


@pytest.fixture(scope="module")
def printed() -> str:
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for everything that the demo makes; PostgreSQL's user has to reach it."""
    with tempfile.TemporaryDirectory(prefix="ls-demo-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def without_numbers(text: str) -> list[str]:
    lines = (re.sub(r"\d+", "N", re.sub(r"\d+[smh]\b", "Ns", line)).rstrip() for line in text.splitlines())
    return [re.sub(r" +", " ", line) for line in lines]


def test_every_change_arrives_and_the_ledger_verifies(printed: str) -> None:
    rows = re.findall(r"^[123] +postgres/(temporal|backstage) .* ms$", printed, re.MULTILINE)
    assert sorted(rows) == ["backstage"] * 3 + ["temporal"] * 3
    assert "5 of 5 in step" in printed
    assert re.search(r"^verified up to entry \d+$", printed, re.MULTILINE)


def test_no_login_fails_while_the_credential_is_rotated(printed: str) -> None:
    (counted,) = re.findall(r"^planned rotation: (\d+) logins, failed logins: 0\b", printed, re.MULTILINE)
    assert int(counted) >= 40
    assert "orders is at version 2; the old credential was tried, and refused" in printed


def test_a_leak_is_contained(printed: str) -> None:
    found = re.findall(
        r"^leak: (\d+) logins, failed logins: 0\b.*; seconds to contain: (\d+\.\d)$", printed, re.MULTILINE
    )
    assert len(found) == 1
    assert int(found[0][0]) >= 20
    assert "known by: fingerprint" in printed


def test_the_old_credentials_are_tried_at_the_database(printed: str) -> None:
    tried = re.findall(r"^tried: the old credential \((orders_[ab])\) is refused: (.+)$", printed, re.MULTILINE)
    assert tried == [(user, f'password authentication failed for user "{user}"') for user in ("orders_a", "orders_b")]
    assert re.findall(r"^tried: the new credential \((orders_[ab])\) works$", printed, re.MULTILINE) == [
        "orders_b", "orders_a",
    ]  # fmt: skip


def test_the_readme_shows_status_as_it_prints(printed: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("$ lockstep status\n", 1)[1].split("```", 1)[0].strip()
    real = printed.split("$ lockstep status\n", 1)[1].split("\n$ lockstep", 1)[0].strip()
    assert without_numbers(shown) == without_numbers(real)


@pytest.mark.parametrize(
    "begins",
    ["secret/platform-data/postgres/orders is at version 2", "NAME  .* PHASE ", "shop/orders-db  ", "  known by: ",
     "  secret: ", "  used by: ", r"    \+0.0s reported ", r"    \+.* confirmed ", r"    \+.* contained ",
     "  contained in "],
)  # fmt: skip
def test_the_readme_shows_rotation_and_leak_as_they_print(printed: str, begins: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    in_readme, in_demo = (re.search(f"^{begins}.*$", text, re.MULTILINE) for text in (readme, printed))
    assert in_readme is not None
    assert in_demo is not None
    assert without_numbers(in_readme[0]) == without_numbers(in_demo[0])


def test_no_password_is_printed(printed: str) -> None:
    known = r"\.\.\.|[0-9a-f]{16}|[a-z-]+\.platform-postgres\.credentials\.postgresql\.acid\.zalan\.do"
    assert not re.search(r"[A-Za-z0-9._~-]{32}", re.sub(known, "", printed))


def test_its_manifests_pass_lint() -> None:
    command = [
        str(Path(sys.executable).with_name("lockstep")),
        "lint",
        str(EXAMPLE / "wiring"),
        str(EXAMPLE / "targets"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(place: Path, number: signal.Signals) -> None:
    output = place / "output"
    with output.open("w") as file:
        process = subprocess.Popen(
            DEMO, cwd=ROOT, stdout=file, stderr=file, start_new_session=True, env={**os.environ, "TMPDIR": str(place)}
        )
    try:
        wait_for(lambda: "the orders service logs in" in output.read_text(), "the middle of it", 120)
        os.killpg(process.pid, number)  # as a terminal does: everything that it started is told, too
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in output.read_text()
    assert sorted(place.iterdir()) == [output]
    wait_for(lambda: running_in(place) == [], "the end of everything that it started")


def running_in(place: Path) -> list[str]:
    """Processes that were told this directory."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended
        if f"{place}/" in line:
            found.append(line)
    return found
