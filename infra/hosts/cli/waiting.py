"""Waiting for what is chosen to come in step, with progress that no pipe gets."""

import time
from pathlib import Path
from typing import Any

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.in_cluster import ask
from infra.hosts.cli.output import escaped, note

_POLL = 2.0  # seconds of one question
_QUIET = 1.0  # seconds until progress is told


def wait_for(
    root: Path, chosen: dict[str, Any], *, timeout: float, version: int = 0, through: list[int] | None = None
) -> dict[str, Any]:
    """Ask until it is done. Raises CommandError 124 after `timeout` seconds, 1 where an order was given up."""
    client, begin = ControlClient(root), time.monotonic()
    progress = _Progress()
    while True:
        left = timeout - (time.monotonic() - begin)
        answer: dict[str, Any] = client.ask(
            "wait", seconds=max(0.0, min(_POLL, left)), version=version, through=through, **chosen
        )
        if answer["done"]:
            return answer
        if answer["givenUp"] and not answer["pendingOrders"]:
            one = answer["givenUp"][0]
            raise CommandError(
                f"{one['step']} gave up: {escaped(one['reason'])}; mend it, then "
                f"`lockstep dead-letters replay {one['deadLetter']}`",
                Exit.FINDINGS,
            )
        if left <= 0:
            raise _in_vain(timeout, answer)
        progress.tell(answer)


def wait_in_cluster(context: str, chosen: dict[str, Any], *, timeout: float, version: int = 0) -> None:
    """As `wait_for`, by what a cluster tells without its broker."""
    from infra.hosts.control import in_cluster  # loads what speaks to a cluster

    answer: dict[str, Any] = ask(context, in_cluster.wait(
        chosen["names"] or (), chosen["namespace"], version=version, timeout=timeout, tell=_Progress().tell
    ))  # fmt: skip
    if not answer["done"]:
        raise _in_vain(timeout, answer)


class _Progress:
    """What is waited for, told once it is worth it, and again when it changes."""

    def __init__(self) -> None:
        self._begin, self._told = time.monotonic(), ""

    def tell(self, answer: dict[str, Any]) -> None:
        first = _first(answer)
        if time.monotonic() - self._begin > _QUIET and first != self._told:
            self._told = first
            note(f"waiting: {first}")


def _in_vain(timeout: float, answer: dict[str, Any]) -> CommandError:
    return CommandError(f"after {timeout:g} s still {_first(answer)}", Exit.TIMEOUT)


def _first(answer: dict[str, Any]) -> str:
    waiting = answer["waitingFor"]
    if not waiting:
        return f"{answer['pendingOrders']} orders are under way"
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    return escaped(f"{waiting[0]['name']}: {waiting[0]['wrong']}{more}; `{waiting[0]['ask']}`")


def duration(text: str) -> float:
    """`60s`, `5m`, `1h`, or seconds. Raises CommandError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    plain, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(plain) * unit
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise CommandError(f"--timeout {text!r}: give seconds, or 60s, 5m, 1h", Exit.USAGE)
    return seconds


def about(names: tuple[str, ...], everything: bool, namespace: str | None) -> dict[str, Any]:
    """What a command is about, as a request says it. Raises CommandError where nothing or too much is said."""
    if names and everything:
        raise CommandError("give names or --all, not both", Exit.USAGE)
    if not names and not everything and namespace is None:
        raise CommandError("give NAMESPACE/NAME, -n NAMESPACE, or --all", Exit.USAGE)
    return {"names": list(names) or None, "all": everything or None, "namespace": namespace}
