"""Having the index of fingerprints brought up to date before a search: what it does not hold is not found."""

import time
from dataclasses import dataclass
from typing import Any

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.output import escaped, note

_POLL = 2.0  # seconds of one question
_QUIET = 1.0  # seconds until progress is told
_ORDERS = 3  # a path that changed while it was looked at is seen by the next round; one that is refused, by none
_NAMED = 3  # paths that are named


@dataclass(frozen=True, slots=True)
class Index:
    """How it stands: how many fingerprints it knows, and why it is not up to date ("": it is)."""

    known: int
    behind: int = 0
    wrong: str = ""


def up_to_date(client: ControlClient, timeout: float) -> Index:
    """Order a round of the index and wait for it, at most `timeout` seconds. Raises CommandError."""
    waiting = _Waiting(client, timeout)
    answer = waiting.round()
    for _ in range(1, _ORDERS):
        if answer["done"] or answer["givenUp"] or waiting.passed() >= timeout:
            break
        answer = waiting.round()
    if not answer["done"]:
        answer = client.ask("fingerprint/index", **waiting.ordered, seconds=0, count=True)
    return Index(answer["known"]) if answer["done"] else _lagging(answer, timeout)


class _Waiting:
    """One round after the other, in the time that there is for all of them."""

    def __init__(self, client: ControlClient, timeout: float) -> None:
        self._client, self._begin, self._timeout = client, time.monotonic(), timeout
        self._told = False
        self.ordered: dict[str, Any] = {}

    def round(self) -> dict[str, Any]:
        """Order one, and wait: how it stands when it is over, or the time is."""
        self.ordered = self._client.tell("fingerprint/index")
        while True:
            left = max(0.0, self._timeout - self.passed())
            answer: dict[str, Any] = self._client.ask("fingerprint/index", **self.ordered, seconds=min(_POLL, left))
            if not answer["underWay"] or answer["done"] or left <= 0:
                return answer
            if not self._told and self.passed() > _QUIET:
                self._told = True
                note("waiting: the index of fingerprints is being brought up to date")

    def passed(self) -> float:
        return time.monotonic() - self._begin


def _lagging(answer: dict[str, Any], timeout: float) -> Index:
    paths = answer["behind"]
    named = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
    count = f"{len(paths)} path{'s are' if len(paths) != 1 else ' is'} newer than it ({named})" if paths else ""
    if answer["givenUp"]:
        why = f"the step `index` gave up: {answer['givenUp']}; `lockstep dead-letters list` shows it"
    elif answer["underWay"]:
        why = f"its round was not over after {timeout:g} s; run it again, or give it longer with --timeout"
    else:
        why = "not all of it can be read now; run it again, and see `lockstep check` where that does not help"
    return Index(
        answer["known"], len(paths), escaped(f"the index is behind: {count or 'no round saw everything'}; {why}")
    )
