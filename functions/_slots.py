"""How many workloads of a namespace may be restarting at once: slots of a budget, whose holders expire.

A rollout that is stuck keeps its slot until it expires: a bad value must not take down one workload after another.
"""

from dataclasses import replace
from datetime import timedelta

from events.consumer import WorkloadRef
from functions._marks import RESTART_BUDGET
from functions._ports import Ports
from functions._workloads import Budget, Workload

_HELD = 2  # times the deadline of a rollout


def pool_of(ref: WorkloadRef) -> str:
    return f"restart.{ref.namespace}"


def limit_for(workload: Workload, ports: Ports) -> int:
    """The operator's limit, which a workload may only lower; what is no number lowers it to one."""
    text = workload.annotations.get(RESTART_BUDGET)
    if text is None:
        return ports.settings.restart_limit
    asked = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1
    return min(ports.settings.restart_limit, max(asked, 1))


def take(workload: Workload, ports: Ports) -> bool:
    """Whether the workload holds a slot now; where all are held, it is put on the waiting list. Raises Conflict."""
    holder, now = workload.ref.subject, ports.clock.now()
    budget = _living(workload.ref, ports)
    if holder in budget.holders:
        return True
    if len(budget.holders) >= limit_for(workload, ports):
        if holder not in budget.waiting:
            ports.budgets.write(replace(budget, waiting=(*budget.waiting, holder)))
        return False
    until = now + timedelta(seconds=_HELD * ports.settings.restart_deadline)
    waiting = tuple(one for one in budget.waiting if one != holder)
    ports.budgets.write(replace(budget, holders={**budget.holders, holder: until}, waiting=waiting))
    return True


def give_back(ref: WorkloadRef, ports: Ports) -> tuple[str, ...]:
    """Free the workload's slot; the subjects that may try now. Raises Conflict.

    They leave the waiting list, and come back to it if somebody else was faster.
    """
    budget = _living(ref, ports)
    holders = {holder: until for holder, until in budget.holders.items() if holder != ref.subject}
    waiting = tuple(one for one in budget.waiting if one != ref.subject)
    if len(holders) == len(budget.holders) and waiting == budget.waiting:
        return ()
    free = max(ports.settings.restart_limit - len(holders), 0)
    ports.budgets.write(replace(budget, holders=holders, waiting=waiting[free:]))
    return waiting[:free]


def _living(ref: WorkloadRef, ports: Ports) -> Budget:
    """The budget without those whose time is over."""
    budget = ports.budgets.read(pool_of(ref))
    return replace(budget, holders=budget.living(ports.clock.now()))
