"""How many rotations are under way at once, overall and at one target, and a breaker per target.

A rotation holds its slot from before a target is told anything until it is promoted or has ended: a storm is of logins
that change, not of consumers that are waited for. Holders expire, as one may die with its slot.

One pool has them all, with the target in the holder's name: so one write takes a slot, and one gives it back and hands
it on to whoever waits first and may have it. That one need not race for it, and is told.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from functions._manifests.rotation_target import Limits
from functions._ports import Ports
from functions._rotation_naming import path_of, text_of
from functions._rotations import Record
from functions._workloads import Budget

POOL = "rotate"


def take(record: Record, limits: Limits, ports: Ports) -> bool:
    """Whether the rotation holds its slot now; where there is none, it waits in line for it. Raises Conflict."""
    name, now = slot_name(record), ports.clock.now()

    def taken(budget: Budget) -> Budget:
        if budget.holders.get(name, now) > now:
            return budget
        holders = budget.living(now)
        if len(holders) < ports.settings.rotation_limit and _at(record.terms.target, holders) < limits.concurrent:
            waiting = tuple(one for one in budget.waiting if one != name)
            return replace(budget, holders={**holders, name: _until(ports)}, waiting=waiting)
        if name in budget.waiting:
            return budget
        first = record.policy == "leak"
        return replace(budget, waiting=(name, *budget.waiting) if first else (*budget.waiting, name))

    return ports.budgets.change(POOL, taken).holders.get(name, now) > now


def give_back(record: Record, ports: Ports) -> tuple[Record, ...]:
    """Free its slot; the rotations that it was handed on to, which may begin now. Raises Conflict."""
    leaving, told = {slot_name(record)}, dict[str, Record]()
    while leaving:
        handed = _handed_on(leaving, ports)
        leaving = set()
        for name in handed:
            waiting = _waiting(name, ports)
            if waiting is not None:
                told[name] = waiting
            else:
                leaving.add(name)  # it is under way or over: nobody would ever give this slot back
    return tuple(told.values())


def slot_name(record: Record) -> str:
    """What the pool calls a rotation."""
    return f"{record.terms.target}:{text_of(record.path)}"


def broken_until(record: Record, limits: Limits, ports: Ports) -> datetime | None:
    """Until when the target's breaker is open, None while it is closed."""
    failures = ports.budgets.read(_breaker(record)).living(ports.clock.now())
    return min(failures.values()) if len(failures) >= limits.breaker_failures else None


def count_failure(record: Record, limits: Limits, ports: Ports) -> None:
    """A rotation failed at the target; the same one counts once. Raises Conflict."""
    now = ports.clock.now()
    until = now + timedelta(seconds=limits.breaker_pause)

    def counted(budget: Budget) -> Budget:
        failures = budget.living(now)
        return budget if record.id in failures else replace(budget, holders={**failures, record.id: until})

    ports.budgets.change(_breaker(record), counted)


def count_success(record: Record, ports: Ports) -> None:
    """The target did as it should: failures in a row end here. Raises Conflict."""
    ports.budgets.change(_breaker(record), lambda budget: replace(budget, holders={}) if budget.holders else budget)


def _handed_on(leaving: Iterable[str], ports: Ports) -> tuple[str, ...]:
    """Have these leave the pool and the line; who of the others got a slot of theirs."""
    now = ports.clock.now()
    gone, handed = frozenset(leaving), list[str]()

    def changed(budget: Budget) -> Budget:
        handed.clear()
        holders = {name: until for name, until in budget.living(now).items() if name not in gone}
        waiting = tuple(name for name in budget.waiting if name not in gone)
        if len(holders) == len(budget.holders) and waiting == budget.waiting:
            return budget
        for name in waiting:
            target, _, _ = name.partition(":")
            if len(holders) < ports.settings.rotation_limit and _at(target, holders) < _concurrent(target, ports):
                holders[name] = _until(ports)
                handed.append(name)
        return replace(budget, holders=holders, waiting=tuple(name for name in waiting if name not in handed))

    ports.budgets.change(POOL, changed)
    return tuple(handed)


def _waiting(name: str, ports: Ports) -> Record | None:
    """The rotation of this name, if it waits for its slot."""
    path = path_of(name.partition(":")[2])
    record = ports.rotations.read(path) if path is not None else None
    return record if record is not None and record.phase == "requested" and slot_name(record) == name else None


def _at(target: str, holders: Iterable[str]) -> int:
    return sum(1 for name in holders if name.startswith(f"{target}:"))


def _concurrent(target: str, ports: Ports) -> int:
    declared = ports.systems.declared(target)
    return (declared.spec.limits if declared is not None else Limits()).concurrent


def _until(ports: Ports) -> datetime:
    return ports.clock.now() + timedelta(seconds=ports.settings.rotation_slot)


def _breaker(record: Record) -> str:
    return f"breaker.{record.terms.target}"
