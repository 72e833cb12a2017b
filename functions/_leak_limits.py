"""How much reports may set going by themselves: slots that last an hour, of all reporters and of each.

A report is a way to have somebody else's credential replaced. Without a limit, whoever can make an alert fire, or has
taken a reporter's token, could restart everything at once.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from functions._leak_mapping import Found
from functions._leaks import Trust
from functions._ports import Ports, Settings
from functions._workloads import Budget

HOUR = timedelta(hours=1)
POOL = "leak"
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


def take(found: Found, reporter: str, ports: Ports) -> bool:
    """Whether this secret may be rotated for this reporter now. One version takes one slot, however often it is
    reported. Raises Conflict."""
    holder = f"{found.path.subject}@{found.version}"
    settings, now = ports.settings, ports.clock.now()
    pools = ((_own(reporter), settings.leak_limit_per_reporter), (POOL, settings.leak_limit))
    missing: list[Budget] = []
    for pool, limit in pools:
        budget = ports.budgets.read(pool)
        holders = budget.living(now)
        if holder in holders:
            continue
        if len(holders) >= limit:
            return False  # and no slot of the other is taken
        missing.append(replace(budget, holders={**holders, holder: now + HOUR}))
    for budget in missing:
        ports.budgets.write(budget)
    return True


def _own(reporter: str) -> str:
    """The pool of a reporter: no two share one, whatever their names have in common."""
    digest = hashlib.sha256(reporter.encode()).hexdigest()[:12]
    readable = re.sub("[^a-z0-9]+", "-", reporter.lower())[:60].strip("-")
    return f"{POOL}.{readable}-{digest}" if readable else f"{POOL}.{digest}"
