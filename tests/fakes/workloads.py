"""Workloads in memory with a controller that a test moves, and what steps remember of them."""

import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from events.consumer import WorkloadRef
from functions._failures import Conflict
from functions._workloads import Budget, Pod, Reminder, Rollout, RolloutStatus, Use, Workload
from tests.fakes.authority import Instrumented, asked

_TRIES = 16

Kind = Literal["Deployment", "StatefulSet", "DaemonSet"]


def workload_ref(text: str, kind: Kind = "Deployment") -> WorkloadRef:
    """`namespace/name` as a reference."""
    namespace, name = text.split("/")
    return WorkloadRef(kind=kind, namespace=namespace, name=name)


def rolled_out(pods: int, generation: int) -> RolloutStatus:
    """The status of a workload that has nothing left to do."""
    return RolloutStatus(generation, wanted=pods, updating=pods, updated=pods, total=pods, available=pods)


@dataclass
class _Entry:
    workload: Workload
    pods: tuple[Pod, ...] = ()
    restarts: list[str] = field(default_factory=list)  # digests, in order


class FakeWorkloads(Instrumented):
    """`Workloads` over a dictionary. Nothing moves by itself: `complete` is the controller and the kubelet."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[WorkloadRef, _Entry] = {}
        self._states = itertools.count(1)
        self._uids = itertools.count(1)

    # --- the port ---

    def list(self, namespace: str) -> tuple[Workload, ...]:
        with self._operation("list", namespace):
            found = [entry.workload for ref, entry in self._entries.items() if ref.namespace == namespace]
            return tuple(sorted(found, key=lambda workload: (workload.ref.kind, workload.ref.name)))

    def read(self, ref: WorkloadRef) -> Workload | None:
        with self._operation("read", str(ref)):
            entry = self._entries.get(ref)
            return entry.workload if entry else None

    def pods(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        with self._operation("pods", str(ref)):
            entry = self._entries.get(ref)
            return tuple(sorted(entry.pods, key=lambda pod: pod.name)) if entry else ()

    def restart(self, ref: WorkloadRef, digest: str, expected: str) -> None:
        with self._operation("restart", str(ref)):
            entry = self._entries.get(ref)
            if entry is None or entry.workload.state != expected:
                raise Conflict(f"{ref} changed since it was read; read it again")
            entry.restarts.append(digest)
            self._set(ref, restarted_for=digest, respecified=True)

    # --- people, controllers and kubelets, unlogged and never refused ---

    def put(
        self,
        ref: WorkloadRef,
        uses: Mapping[str, frozenset[Use]],
        *,
        annotations: Mapping[str, str] | None = None,
        began: datetime | None = None,
        pods: int = 2,
        **more: object,
    ) -> Workload:
        """Create or replace a workload whose pods began at a time (None: they wait to begin)."""
        with self._lock:
            uid = f"uid-{next(self._uids)}"
            workload = Workload(
                ref=ref, uid=uid, state=f"{uid}/{next(self._states)}", generation=1, uses=uses,
                status=rolled_out(pods, 1), annotations=annotations or {},
            )  # fmt: skip
            workload = replace(workload, **more)  # type: ignore[arg-type]  # a test names fields of the workload
            made = tuple(Pod(f"{ref.name}-{n}", began, workload.restarted_for) for n in range(pods))
            self._entries[ref] = _Entry(workload, made)
            return workload

    def change(self, ref: WorkloadRef, **fields: object) -> Workload:
        """Somebody changes the specification."""
        with self._lock:
            return self._set(ref, respecified=True, **fields)

    def revert(self, ref: WorkloadRef) -> Workload:
        """A GitOps controller takes our annotation off the template."""
        return self.change(ref, restarted_for="")

    def complete(self, ref: WorkloadRef, now: datetime) -> None:
        """The controller has replaced every pod with one of the current template, and they are available."""
        with self._lock:
            entry = self._entries[ref]
            count = entry.workload.status.wanted
            current = entry.workload.restarted_for
            if len(entry.pods) == count and all(pod.restarted_for == current for pod in entry.pods):
                entry.pods = tuple(replace(pod, began=pod.began or now, waiting="") for pod in entry.pods)
            else:
                generation = entry.workload.generation
                entry.pods = tuple(Pod(f"{ref.name}-{generation}-{n}", now, current) for n in range(count))
            self._set(ref, status=rolled_out(count, entry.workload.generation))

    def status(self, ref: WorkloadRef, **numbers: object) -> None:
        """The controller tells how far it is."""
        with self._lock:
            status = self._entries[ref].workload.status
            self._set(ref, status=replace(status, **numbers))  # type: ignore[arg-type]  # a test names its fields

    def set_pods(self, ref: WorkloadRef, *pods: Pod) -> None:
        with self._lock:
            self._entries[ref].pods = pods

    def remove(self, ref: WorkloadRef) -> None:
        with self._lock:
            self._entries.pop(ref, None)

    def restarts(self, ref: WorkloadRef) -> tuple[str, ...]:
        """The digests that the workload was restarted for, in order."""
        with self._lock:
            return tuple(self._entries[ref].restarts) if ref in self._entries else ()

    def all(self) -> tuple[WorkloadRef, ...]:
        with self._lock:
            return tuple(self._entries)

    def _set(self, ref: WorkloadRef, *, respecified: bool = False, **fields: object) -> Workload:
        entry = self._entries[ref]
        generation = entry.workload.generation + (1 if respecified else 0)
        state = f"{entry.workload.uid}/{next(self._states)}"
        changed = replace(entry.workload, generation=generation, state=state, **fields)  # type: ignore[arg-type]
        entry.workload = changed
        return changed


class FakeRollouts(Instrumented):
    """`Rollouts` over a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._rollouts: dict[WorkloadRef, Rollout] = {}

    def refs(self) -> tuple[WorkloadRef, ...]:
        with self._operation("refs", ""):
            return tuple(sorted(self._rollouts, key=lambda ref: ref.subject))

    def read(self, ref: WorkloadRef) -> Rollout | None:
        with self._operation("read", str(ref)):
            return self._rollouts.get(ref)

    def write(self, rollout: Rollout) -> Rollout:
        with self._operation("write", str(rollout.workload)):
            known = self._rollouts.get(rollout.workload)
            if (known.revision if known else 0) != rollout.revision:
                raise Conflict(f"the rollout record of {rollout.workload} changed since it was read")
            stored = replace(rollout, revision=rollout.revision + 1)
            self._rollouts[rollout.workload] = stored
            return stored

    def remove(self, rollout: Rollout) -> None:
        with self._operation("remove", str(rollout.workload)):
            known = self._rollouts.get(rollout.workload)
            if known is None:
                return
            if known.revision != rollout.revision:
                raise Conflict(f"the rollout record of {rollout.workload} changed since it was read")
            del self._rollouts[rollout.workload]


class FakeBudgets(Instrumented):
    """`Budgets` over a dictionary. `most` is how many ever held a slot of a pool at once, by the clock given."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Budget] = {}

    def read(self, pool: str) -> Budget:
        with self._operation("read", pool):
            return self.pools.get(pool, Budget(pool))

    def reading(self, pool: str) -> AbstractContextManager[Callable[[], Budget]]:
        return asked(lambda: self.read(pool))

    def write(self, budget: Budget) -> Budget:
        with self._operation("write", budget.pool):
            known = self.pools.get(budget.pool)
            if (known.revision if known else 0) != budget.revision:
                raise Conflict(f"the budget {budget.pool} changed since it was read; read it again")
            self.pools[budget.pool] = replace(budget, revision=budget.revision + 1)
            return self.pools[budget.pool]

    def change(self, pool: str, make: Callable[[Budget], Budget]) -> Budget:
        """By `read` and `write`, so that somebody may come between."""
        for left in reversed(range(_TRIES)):
            known = self.read(pool)
            wanted = make(known)
            if wanted == known:
                return known
            try:
                return self.write(wanted)
            except Conflict:
                if not left:
                    raise
        raise AssertionError


class FakeReminders(Instrumented):
    """`Reminders` in a set."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: set[Reminder] = set()

    def due(self, step: str, now: datetime) -> tuple[Reminder, ...]:
        with self._operation("due", step):
            return tuple(sorted(one for one in self.entries if one.step == step and one.minute <= now))

    def set(self, reminder: Reminder) -> None:
        with self._operation("set", reminder.subject):
            self.entries.add(reminder)

    def remove(self, reminder: Reminder) -> None:
        with self._operation("remove", reminder.subject):
            self.entries.discard(reminder)
