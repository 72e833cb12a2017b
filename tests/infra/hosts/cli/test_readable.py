from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.cli import readable

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def before(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (12, "12s"), (119, "1m"), (7200, "2h"), (200_000, "2d"), (-5, "0s")]
)
def test_ages(seconds: float, text: str) -> None:
    assert readable.age(before(seconds), NOW) == text


def test_never_is_a_dash() -> None:
    assert (readable.age(None), readable.number(None), readable.until(None)) == ("-", "-", "")


def test_soon() -> None:
    assert (readable.until(before(-4), NOW), readable.until(before(3), NOW)) == ("in 4 s", "now")


def test_remarks_keep_to_the_width_and_cannot_command_a_terminal() -> None:
    text = readable.remark("\x1b[2J" + "word " * 60, "  !  ")
    assert "\x1b" not in text
    assert all(len(line) <= readable.WIDTH for line in text.splitlines())
    assert all(line.startswith("     ") for line in text.splitlines()[1:])


def trouble(state: str, **more: Any) -> dict[str, Any]:
    return {
        "step": "publish", "state": state, "reason": "", "attempts": 2, "nextAttempt": None, "deadLetter": None, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, ""),
        (trouble("pending"), ""),
        (trouble("held"), "publish is held until the authority serves"),
        (trouble("dead letter", deadLetter=7, reason="why"), "publish gave up (dead letter 7): why"),
        (trouble("retried", nextAttempt=before(1e9), reason="why"), "publish tries again now (attempt 3): why"),
    ],
)
def test_what_is_stuck(found: dict[str, Any] | None, text: str) -> None:
    assert readable.stuck(found) == text


def test_commands_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKSTEP_ROOT", raising=False)
    assert readable.command("lockstep resume x", Path("/a b")) == "lockstep resume x --root '/a b'"
    assert readable.command("create a file", Path("/a")) == "create a file"
    monkeypatch.setenv("LOCKSTEP_ROOT", "/a")
    assert readable.command("lockstep resume x", Path("/a")) == "lockstep resume x"
