"""How much reports may set going by themselves: slots that last an hour, of all reporters and of each.

A report is a way to have somebody else's credential replaced. Without a limit, whoever can make an alert fire, or has
taken a reporter's token, could restart everything at once.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from functions._leak_mapping import Found
from functions._leak_seen import POOL
from functions._leaks import Trust
from functions._ports import Ports, Settings
from functions._workloads import Budget

HOUR = timedelta(hours=1)
_ORDER: tuple[Trust, ...] = ("report", "rotate", "revoke-first")


def trust_of(reporters: Iterable[str], settings: Settings) -> Trust:
    """What those who told of it may set going. The command line is the operator's; who is not named only reports."""
    found = [
        settings.reporters.get(one, "revoke-first" if one.startswith("operator:") else "report") for one in reporters
    ]
    return max(found, key=_ORDER.index, default="report")


def charged(reporters: Iterable[str], settings: Settings) -> str:
    """Whose limit counts: of those who told, the one who may most. Whoever only reports lends nobody a limit."""
    return max(reporters, key=lambda one: _ORDER.index(trust_of((one,), settings)))


class Slots:
    """The slots that one look takes for a reporter, in the pool of all. They are `written` with what they are for.

    A holder is named by who reported and what: so one write counts for the reporter and for all.
    """

    def __init__(self, reporter: str, read: Callable[[str], Budget], ports: Ports) -> None:
        # No two share one, whatever their names have in common.
        self._reporter = hashlib.sha256(reporter.encode()).hexdigest()[:16]
        self._read = read
        self._ports = ports
        self._taken: Budget | None = None

    def take(self, found: Found) -> bool:
        """Whether this secret may be rotated for the reporter now. One version takes one slot, however often it is
        reported."""
        what, now = f"{found.path.subject}@{found.version}", self._ports.clock.now()
        holder, settings = f"{self._reporter} {what}", self._ports.settings
        budget = self._taken or self._read(POOL)
        holders = budget.living(now)
        if holder in holders:
            return True
        if sum(1 for one in holders if one.startswith(f"{self._reporter} ")) >= settings.leak_limit_per_reporter:
            return False
        others = {one.partition(" ")[2] for one in holders}
        if what not in others and len(others) >= settings.leak_limit:
            return False
        self._taken = replace(budget, holders={**holders, holder: now + HOUR})
        return True

    def writes(self) -> tuple[Callable[[], object], ...]:
        """What takes them, for whoever writes it beside other things. It raises Conflict."""
        return (partial(self._ports.budgets.write, self._taken),) if self._taken is not None else ()
