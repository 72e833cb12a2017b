"""Ports that a step did not ask for: using one is a defect, found by the first test that does."""

from collections.abc import Callable
from functools import cache
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
            Capability.ROTATED_WRITE,
        }
    ),
    "claims": frozenset({Capability.CLAIM_READ, Capability.CLAIM_WRITE}),
    "tombstones": frozenset({Capability.TOMBSTONE_READ, Capability.TOMBSTONE_WRITE}),
    "publications": frozenset({Capability.PUBLICATION_READ, Capability.PUBLICATION_WRITE}),
    "workloads": frozenset({Capability.WORKLOAD_READ, Capability.WORKLOAD_WRITE}),
    "rollouts": frozenset({Capability.ROLLOUT_READ, Capability.ROLLOUT_WRITE}),
    "budgets": frozenset({Capability.BUDGET_WRITE}),
    "reminders": frozenset({Capability.REMINDER_WRITE}),
    "rotations": frozenset({Capability.ROTATION_READ, Capability.ROTATION_WRITE}),
    "pending": frozenset({Capability.PENDING_READ, Capability.PENDING_WRITE, Capability.PENDING_REMOVE}),
    "proofs": frozenset({Capability.PROOF_READ, Capability.PROOF_WRITE}),
    "systems": frozenset(
        {Capability.SYSTEM_READ, Capability.SYSTEM_LOGIN, Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE}
    ),
    "leases": frozenset({Capability.LEASE_READ, Capability.LEASE_RENEW, Capability.LEASE_REVOKE}),
    "leaks": frozenset({Capability.LEAK_READ, Capability.LEAK_WRITE, Capability.LEAK_REMOVE}),
    "fingerprints": frozenset({Capability.FINGERPRINT_LEAK, Capability.FINGERPRINT_REVOKED}),
    "index": frozenset({Capability.INDEX_READ, Capability.INDEX_WRITE}),
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


class _Late:
    """Stands where an adapter will be as soon as anything is asked of it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._made = cache(make)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made(), name)
        if callable(found):
            vars(self)[name] = found  # a method, which stays the same
        return found


def granted_late(step: Step, port: str, make: Callable[[], Any]) -> Any:
    """As `granted`, for an adapter that is made, and loaded, only for a step that asks for it, when it first does."""
    return _Late(make) if step.needs & NEEDED_BY[port] else Withheld(step.name, port)
