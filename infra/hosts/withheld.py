"""Ports that a step did not ask for: using one is a defect, found by the first test that does."""

from typing import Any, NoReturn

from functions._capability import Capability
from functions._step import Step

NEEDED_BY: dict[str, frozenset[Capability]] = {
    "sources": frozenset({Capability.SOURCE_READ, Capability.SOURCE_METADATA}),
    "targets": frozenset(
        {
            Capability.TARGET_READ,
            Capability.TARGET_METADATA,
            Capability.TARGET_WRITE,
            Capability.TARGET_DELETE,
        }
    ),
    "authority": frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.AUTHORITY_WRITE,
            Capability.AUTHORITY_DELETE,
            Capability.AUTHORITY_METADATA,
            Capability.AUTHORITY_LIST,
        }
    ),
    "claims": frozenset({Capability.CLAIM_READ, Capability.CLAIM_WRITE}),
    "tombstones": frozenset({Capability.TOMBSTONE_READ, Capability.TOMBSTONE_WRITE}),
    "publications": frozenset({Capability.PUBLICATION_READ, Capability.PUBLICATION_WRITE}),
    "workloads": frozenset({Capability.WORKLOAD_READ, Capability.WORKLOAD_WRITE}),
    "rollouts": frozenset({Capability.ROLLOUT_READ, Capability.ROLLOUT_WRITE}),
    "budgets": frozenset({Capability.BUDGET_WRITE}),
    "reminders": frozenset({Capability.REMINDER_WRITE}),
    "ledger": frozenset({Capability.LEDGER_WRITE}),
}


class Withheld:
    """Stands where a port would be that the step does not declare."""

    def __init__(self, step: str, port: str) -> None:
        self._step = step
        self._port = port

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(f"step {self._step} uses {self._port}.{name} and declares no capability for it")


def granted(step: Step, port: str, adapter: Any) -> Any:
    """The adapter where the step's declaration asks for it, else its withheld stand-in."""
    return adapter if step.needs & NEEDED_BY[port] else Withheld(step.name, port)
