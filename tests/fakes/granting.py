"""Ports that hold each step to its declaration: every call needs its capability, and which were used is known."""

from dataclasses import replace
from typing import Any

from functions._capability import Capability
from functions._ports import Ports
from functions._step import Step
from infra.hosts.withheld import NEEDED_BY, granted

C = Capability
# Any one of these allows the call; the first is what it is counted as where a step declares several.
CALLS: dict[tuple[str, str], tuple[Capability, ...]] = {
    ("sources", "read"): (C.SOURCE_READ,),
    ("sources", "reading"): (C.SOURCE_READ,),
    ("sources", "head"): (C.SOURCE_METADATA, C.SOURCE_READ),
    ("sources", "heads"): (C.SOURCE_METADATA, C.SOURCE_READ),
    ("sources", "select"): (C.SOURCE_METADATA, C.SOURCE_READ),
    ("targets", "read"): (C.TARGET_READ,),
    ("targets", "reading"): (C.TARGET_READ,),
    ("targets", "head"): (C.TARGET_METADATA, C.TARGET_READ),
    ("targets", "heads"): (C.TARGET_METADATA, C.TARGET_READ),
    ("targets", "create"): (C.TARGET_WRITE,),
    ("targets", "update"): (C.TARGET_WRITE,),
    ("targets", "delete"): (C.TARGET_DELETE,),
    ("authority", "read"): (C.AUTHORITY_READ,),
    ("authority", "reading"): (C.AUTHORITY_READ,),
    ("authority", "read_pinned"): (C.AUTHORITY_READ,),
    ("authority", "head"): (C.AUTHORITY_METADATA,),
    ("authority", "heading"): (C.AUTHORITY_METADATA,),
    ("authority", "list"): (C.AUTHORITY_LIST,),
    ("authority", "write"): (C.AUTHORITY_WRITE, C.ROTATED_WRITE),
    ("authority", "delete"): (C.AUTHORITY_DELETE,),
    ("claims", "read"): (C.CLAIM_READ,),
    ("claims", "reading"): (C.CLAIM_READ,),
    ("claims", "create"): (C.CLAIM_WRITE,),
    ("claims", "update"): (C.CLAIM_WRITE,),
    ("claims", "revoked"): (C.CLAIM_READ,),
    ("claims", "remember"): (C.CLAIM_WRITE,),
    ("tombstones", "list"): (C.TOMBSTONE_READ,),
    ("tombstones", "read"): (C.TOMBSTONE_READ,),
    ("tombstones", "create"): (C.TOMBSTONE_WRITE,),
    ("tombstones", "remove"): (C.TOMBSTONE_WRITE,),
    ("publications", "read"): (C.PUBLICATION_READ,),
    ("publications", "record"): (C.PUBLICATION_WRITE,),
    ("publications", "forget"): (C.PUBLICATION_WRITE,),
    ("workloads", "list"): (C.WORKLOAD_READ,),
    ("workloads", "read"): (C.WORKLOAD_READ,),
    ("workloads", "pods"): (C.WORKLOAD_READ,),
    ("workloads", "restart"): (C.WORKLOAD_WRITE,),
    ("rollouts", "refs"): (C.ROLLOUT_READ,),
    ("rollouts", "read"): (C.ROLLOUT_READ,),
    ("rollouts", "write"): (C.ROLLOUT_WRITE,),
    ("rollouts", "remove"): (C.ROLLOUT_WRITE,),
    ("budgets", "read"): (C.BUDGET_WRITE,),
    ("budgets", "reading"): (C.BUDGET_WRITE,),
    ("budgets", "write"): (C.BUDGET_WRITE,),
    ("budgets", "change"): (C.BUDGET_WRITE,),
    ("reminders", "due"): (C.REMINDER_WRITE,),
    ("reminders", "set"): (C.REMINDER_WRITE,),
    ("reminders", "remove"): (C.REMINDER_WRITE,),
    ("leaks", "ids"): (C.LEAK_READ,),
    ("leaks", "read"): (C.LEAK_READ,),
    ("leaks", "of_path"): (C.LEAK_READ,),
    ("leaks", "reading_of_path"): (C.LEAK_READ,),
    ("leaks", "write"): (C.LEAK_WRITE,),
    ("leaks", "link"): (C.LEAK_WRITE,),
    ("leaks", "unlink"): (C.LEAK_WRITE,),
    ("leaks", "settled"): (C.LEAK_READ,),
    ("leaks", "settle"): (C.LEAK_WRITE,),
    ("leaks", "remove"): (C.LEAK_REMOVE,),
    ("fingerprints", "of"): (C.FINGERPRINT_LEAK, C.FINGERPRINT_REVOKED),
    ("index", "read"): (C.INDEX_READ,),
    ("index", "reading"): (C.INDEX_READ,),
    ("index", "find"): (C.INDEX_READ,),
    ("index", "round"): (C.INDEX_READ,),
    ("index", "write"): (C.INDEX_WRITE,),
    ("index", "add"): (C.INDEX_WRITE,),
    ("index", "drop"): (C.INDEX_WRITE,),
    ("index", "rounded"): (C.INDEX_WRITE,),
    ("rotations", "paths"): (C.ROTATION_READ,),
    ("rotations", "read"): (C.ROTATION_READ,),
    ("rotations", "reading"): (C.ROTATION_READ,),
    ("rotations", "write"): (C.ROTATION_WRITE,),
    ("rotations", "turn"): (C.ROTATION_READ,),
    ("pending", "read"): (C.PENDING_READ,),
    ("pending", "reading"): (C.PENDING_READ,),
    ("pending", "create"): (C.PENDING_WRITE,),
    ("pending", "creating"): (C.PENDING_WRITE,),
    ("pending", "remove"): (C.PENDING_REMOVE,),
    ("proofs", "read"): (C.PROOF_READ,),
    ("proofs", "reading"): (C.PROOF_READ,),
    ("proofs", "writing"): (C.PROOF_WRITE,),
    ("systems", "declared"): (C.SYSTEM_READ, C.SYSTEM_LOGIN, C.SYSTEM_APPLY, C.SYSTEM_REVOKE),
    ("systems", "open"): (C.SYSTEM_READ, C.SYSTEM_LOGIN, C.SYSTEM_APPLY, C.SYSTEM_REVOKE),
    ("leases", "read"): (C.LEASE_READ,),
    ("leases", "renew"): (C.LEASE_RENEW,),
    ("leases", "revoke"): (C.LEASE_REVOKE,),
    ("ledger", "anchor"): (C.LEDGER_WRITE,),
}

# What a step may do with a system that it opened; what only describes one needs nothing more.
OPENED: dict[str, Capability] = {
    "accepts": C.SYSTEM_LOGIN,
    "apply": C.SYSTEM_APPLY,
    "mint": C.SYSTEM_APPLY,
    "examine": C.SYSTEM_APPLY,
    "discard": C.SYSTEM_REVOKE,
    "revoke": C.SYSTEM_REVOKE,
    "usage": C.SYSTEM_REVOKE,
}

Used = dict[str, set[Capability]]


class GrantedSystem:
    """A system of one step, held to its declaration call by call."""

    def __init__(self, step: Step, system: Any, used: Used) -> None:
        self._step, self._system, self._used = step, system, used

    def __getattr__(self, name: str) -> Any:
        needed = OPENED.get(name)
        if needed is not None:
            if needed not in self._step.needs:
                raise AssertionError(f"step {self._step.name} calls {name} of a system without declaring {needed.name}")
            self._used.setdefault(self._step.name, set()).add(needed)
        return getattr(self._system, name)


class Granted:
    """A port of one step. A call without its capability is refused, as policies and RBAC would refuse it."""

    def __init__(self, step: Step, port: str, adapter: Any, used: Used) -> None:
        self._step, self._port, self._adapter, self._used = step, port, adapter, used

    def __getattr__(self, name: str) -> Any:
        allowing = [capability for capability in CALLS[self._port, name] if capability in self._step.needs]
        if not allowing:
            raise AssertionError(f"step {self._step.name} calls {self._port}.{name} without declaring {name}'s need")
        if (self._port, name) == ("fingerprints", "of"):
            return self._fingerprinted
        self._used.setdefault(self._step.name, set()).add(allowing[0])
        if (self._port, name) == ("systems", "open"):
            return lambda target: GrantedSystem(self._step, self._adapter.open(target), self._used)
        return getattr(self._adapter, name)

    def _fingerprinted(self, purpose: str, *arguments: Any) -> Any:
        """Each purpose has its key, and each key its capability."""
        needed = {"leak": C.FINGERPRINT_LEAK, "revoked": C.FINGERPRINT_REVOKED}[purpose]
        if needed not in self._step.needs:
            raise AssertionError(f"step {self._step.name} makes fingerprints without declaring {needed.name}")
        self._used.setdefault(self._step.name, set()).add(needed)
        return self._adapter.of(purpose, *arguments)


def granted_ports(step: Step, ports: Ports, used: Used) -> Ports:
    """The ports of one step, over what all share: withheld where it declares nothing, else call by call."""
    held = {port: granted(step, port, Granted(step, port, getattr(ports, port), used)) for port in NEEDED_BY}
    return replace(ports, **held)
