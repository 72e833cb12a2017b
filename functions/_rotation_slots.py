"""How many rotations are under way at once, overall and at one target, and a breaker per target.

A rotation holds its slots from before anything is staged until it is promoted or has ended: a storm is of logins that
change, not of consumers that are waited for. Holders expire, as one may die with its slot.

In a storm many change one pool at a time. Who comes second looks at the pool again, not at its whole rotation: that
would be a dozen calls for each lost race, and would forget whom a slot that was given back already is for.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from functions._failures import Conflict
from functions._manifests.rotation_target import Limits
from functions._ports import Ports
from functions._rotation_naming import path_of, text_of
from functions._rotations import Record
from functions._workloads import Budget

OVERALL = "rotate"
_TRIES = 16  # at one pool: as many as there may be workers who want it changed

T = TypeVar("T")


def take(record: Record, limits: Limits, ports: Ports) -> bool:
    """Whether the rotation holds its slots now; where one is missing, it waits in line for it. Raises Conflict.

    The target's first: whoever waits for a busy target keeps nobody from another one.
    """
    if not _held(_at_target(record), limits.concurrent, record, ports):
        return False
    if _held(OVERALL, ports.settings.rotation_limit, record, ports):
        return True
    _freed(_at_target(record), limits.concurrent, text_of(record.path), ports)
    return False


def give_back(record: Record, limits: Limits, ports: Ports) -> tuple[Record, ...]:
    """Free its slots; the rotations that may try now. Raises Conflict.

    They leave the line, and come back to it if somebody else was faster.
    """
    name = text_of(record.path)
    freed = (
        *_freed(OVERALL, ports.settings.rotation_limit, name, ports),
        *_freed(_at_target(record), limits.concurrent, name, ports),
    )
    return tuple(_waiting(freed, ports))


def broken_until(record: Record, limits: Limits, ports: Ports) -> datetime | None:
    """Until when the target's breaker is open, None while it is closed."""
    failures = _living(_breaker(record), ports).holders
    return min(failures.values()) if len(failures) >= limits.breaker_failures else None


def count_failure(record: Record, limits: Limits, ports: Ports) -> None:
    """A rotation failed at the target; the same one counts once. Raises Conflict."""
    budget = _living(_breaker(record), ports)
    if record.id not in budget.holders:
        until = ports.clock.now() + timedelta(seconds=limits.breaker_pause)
        ports.budgets.write(replace(budget, holders={**budget.holders, record.id: until}))


def count_success(record: Record, ports: Ports) -> None:
    """The target did as it should: failures in a row end here. Raises Conflict."""
    budget = ports.budgets.read(_breaker(record))
    if budget.holders:
        ports.budgets.write(replace(budget, holders={}))


def _held(pool: str, limit: int, record: Record, ports: Ports) -> bool:
    return _persistently(lambda: _taken(pool, limit, record, ports))


def _taken(pool: str, limit: int, record: Record, ports: Ports) -> bool:
    name, budget = text_of(record.path), _living(pool, ports)
    if name in budget.holders:
        return True
    if len(budget.holders) >= limit:
        if name not in budget.waiting:
            first = record.policy == "leak"
            ports.budgets.write(replace(budget, waiting=(name, *budget.waiting) if first else (*budget.waiting, name)))
        return False
    until = ports.clock.now() + timedelta(seconds=ports.settings.rotation_slot)
    waiting = tuple(one for one in budget.waiting if one != name)
    ports.budgets.write(replace(budget, holders={**budget.holders, name: until}, waiting=waiting))
    return True


def _freed(pool: str, limit: int, name: str, ports: Ports) -> tuple[str, ...]:
    return _persistently(lambda: _given_back(pool, limit, name, ports))


def _given_back(pool: str, limit: int, name: str, ports: Ports) -> tuple[str, ...]:
    budget, now = ports.budgets.read(pool), ports.clock.now()
    holders = {holder: until for holder, until in budget.holders.items() if holder != name and until > now}
    waiting = tuple(one for one in budget.waiting if one != name)
    if len(holders) == len(budget.holders) and waiting == budget.waiting:
        return ()
    free = max(limit - len(holders), 0)
    ports.budgets.write(replace(budget, holders=holders, waiting=waiting[free:]))
    return waiting[:free]


def _persistently(change: Callable[[], T]) -> T:
    """Compare and set anew while others are faster. Raises Conflict where they always are."""
    for _ in range(_TRIES - 1):
        try:
            return change()
        except Conflict:
            continue
    return change()


def _waiting(names: tuple[str, ...], ports: Ports) -> Iterator[Record]:
    for name in dict.fromkeys(names):
        path = path_of(name)
        record = ports.rotations.read(path) if path is not None else None
        if record is not None and record.phase == "requested":
            yield record


def _living(pool: str, ports: Ports) -> Budget:
    """The pool without those whose time is over."""
    budget, now = ports.budgets.read(pool), ports.clock.now()
    return replace(budget, holders={holder: until for holder, until in budget.holders.items() if until > now})


def _at_target(record: Record) -> str:
    return f"{OVERALL}.{record.terms.target}"


def _breaker(record: Record) -> str:
    return f"breaker.{record.terms.target}"
