"""Leaks that are not contained yet, and those that wait for an operator."""

from collections.abc import Iterator

from functions._failures import StepFailure
from functions._ports import Ports
from infra.hosts.checks.result import Check, ok, some, warn

_SHORT = 12  # letters of an id that tell it from others


def leak_checks(ports: Ports) -> Iterator[Check]:
    """One check, of what triage's ports tell (LEAK_READ)."""
    try:
        found = [leak for one in ports.leaks.ids() if (leak := ports.leaks.read(one)) is not None]
    except StepFailure as failure:
        yield warn("leaks", f"they cannot be read: {failure.reason}", "run this again")
        return
    unanswered = [leak for leak in found if leak.state in ("reported", "confirmed")]
    if not unanswered:
        yield ok("leaks", "none is open")
        return
    newest = sorted(unanswered, key=lambda leak: leak.received, reverse=True)
    what = [f"{leak.id[:_SHORT]} ({', '.join(map(str, leak.paths)) or leak.held or leak.state})" for leak in newest]
    count = f"{len(newest)} leak{'s are' if len(newest) > 1 else ' is'} open"
    waiting = sum(leak.held == "needs-confirmation" for leak in newest)
    also = f", {waiting} of them for you to decide" if waiting else ""
    yield warn("leaks", f"{count}{also}: {some(what)}", f"run: lockstep leak show {newest[0].id[:_SHORT]}")
