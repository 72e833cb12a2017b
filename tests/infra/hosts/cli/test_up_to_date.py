"""Before a search the index is brought up to date; where that cannot be had, it says what is missing and what to do."""

from typing import Any, cast

import pytest

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.up_to_date import Index, up_to_date

DONE = {"done": True, "underWay": False, "known": 8, "behind": [], "givenUp": ""}
UNDER_WAY = {**DONE, "done": False, "underWay": True}
OVER = {**DONE, "done": False}


class Control:
    """Answers in order; the last one again and again."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.orders = 0
        self.asked: list[dict[str, Any]] = []
        self._answers = list(answers)

    def tell(self, name: str, /, **arguments: Any) -> Any:
        assert (name, arguments) == ("fingerprint/index", {})
        self.orders += 1
        return {"since": "2026-01-01T00:00:00+00:00", "order": self.orders}

    def ask(self, name: str, /, **arguments: Any) -> Any:
        assert name == "fingerprint/index"
        self.asked.append(arguments)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def brought(control: Control, timeout: float = 60.0) -> Index:
    return up_to_date(cast("ControlClient", control), timeout)


def test_one_order_and_it_is() -> None:
    control = Control(UNDER_WAY, DONE)
    assert brought(control) == Index(8)
    assert control.orders == 1
    assert control.asked[-1]["order"] == 1


def test_a_path_that_changed_meanwhile_is_seen_by_the_next_round() -> None:
    control = Control(OVER, OVER, DONE)
    assert brought(control) == Index(8)
    assert control.orders == 3


def test_what_cannot_be_read_is_named() -> None:
    control = Control(OVER, OVER, OVER, {**OVER, "behind": ["secret/a", "secret/b\x1b[2J"]})
    index = brought(control)
    assert (index.known, index.behind) == (8, 2)
    assert index.wrong.startswith("the index is behind: 2 paths are newer than it (secret/a, secret/b")
    assert "\x1b" not in index.wrong
    assert "`lockstep check`" in index.wrong
    assert control.asked[-1]["count"] is True


def test_who_waits_in_vain_may_wait_longer(capsys: pytest.CaptureFixture[str]) -> None:
    index = brought(Control(UNDER_WAY, {**UNDER_WAY, "behind": ["secret/a"]}), timeout=0)
    assert index.behind == 1
    assert "1 path is newer than it (secret/a); its round was not over after 0 s" in index.wrong
    assert "--timeout" in index.wrong


def test_what_was_given_up_is_not_waited_for() -> None:
    control = Control({**OVER, "givenUp": "the authority has no key"})
    assert "gave up: the authority has no key" in brought(control).wrong
    assert control.orders == 1
