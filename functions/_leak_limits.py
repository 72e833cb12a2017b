"""How much reports may set going by themselves: slots that last an hour, of all reporters and of each.

A report is a way to have somebody else's credential replaced. Without a limit, whoever can make an alert fire, or has
taken a reporter's token, could restart everything at once.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from functions._leak_mapping import Found
from functions._leaks import Trust
from functions._ports import Ports, Settings

HOUR = timedelta(hours=1)
POOL = "leak"
_ORDER: tuple[Trust, ...] = ("report", "rotate", "revoke-first")


def trust_of(reporters: Iterable[str], settings: Settings) -> Trust:
    """What those who told of it may set going. The command line is the operator's; who is not named only reports."""
    found = [
        settings.reporters.get(one, "revoke-first" if one.startswith("operator:") else "report") for one in reporters
    ]
    return max(found, key=_ORDER.index, default="report")


def take(found: Found, reporter: str, ports: Ports) -> bool:
    """Whether this secret may be rotated for this reporter now. One version takes one slot, however often it is
    reported. Raises Conflict."""
    holder = f"{found.path.subject}@{found.version}"
    settings = ports.settings
    own = f"{POOL}.{re.sub('[^a-z0-9]+', '-', reporter.lower())[:80].strip('-')}"
    return _slot(own, holder, settings.leak_limit_per_reporter, ports) and _slot(
        POOL, holder, settings.leak_limit, ports
    )


def _slot(pool: str, holder: str, limit: int, ports: Ports) -> bool:
    budget, now = ports.budgets.read(pool), ports.clock.now()
    holders = {one: until for one, until in budget.holders.items() if until > now}
    if holder in holders:
        return True
    if len(holders) >= limit:
        return False
    ports.budgets.write(replace(budget, holders={**holders, holder: now + HOUR}))
    return True
