"""What steps may see and do of workloads, and what they remember of restarts: ports and their data.

Values never pass here: a workload names its Secrets, and a record holds versions and digests of versions.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from events.consumer import WorkloadRef
from events.references import Version

State = Literal["waiting", "rolling", "adopted", "stuck"]
Stamps = Mapping[str, Mapping[str, Version]]
"""What each Secret of a workload's namespace carries: its name -> str(PathRef) -> version."""


class Use(StrEnum):
    """How a Secret reaches the containers, which decides when they see a new value."""

    ENVIRONMENT = "env"  # env, envFrom: read when a container starts
    VOLUME = "volume"  # plain or projected: the kubelet replaces the files, within about two minutes
    SUB_PATH = "subPath"  # one file of a volume, mounted by subPath: as it was when the container started
    PULL = "imagePullSecrets"  # read when a pod's images are pulled
    NAMED = "named"  # an annotation names it; how the containers read it is not known


FROZEN = frozenset(Use) - {Use.VOLUME}  # uses that a running container never sees change


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """How far the workload's newest template has got, as its controller tells; numbers are pods."""

    observed: int  # the generation that the controller has seen
    wanted: int  # how many there should be
    updating: int  # how many of them are to get the newest template (a StatefulSet's partition leaves some out)
    updated: int
    total: int  # all there are, older ones included
    available: int
    failed: str = ""  # the controller gave up, and why: its one-word reason


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet. `state` is the precondition of a restart; `generation` counts changes
    of its specification. `restarted_for` is the digest that a restart of ours left on its pod template."""

    ref: WorkloadRef
    uid: str
    state: str
    generation: int
    uses: Mapping[str, frozenset[Use]]  # a Secret's name -> how
    status: RolloutStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    template_annotations: Mapping[str, str] = field(default_factory=dict)
    restarted_for: str = ""
    paused: bool = False
    on_delete: bool = False  # its pods are replaced only when somebody deletes them


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is not being deleted. `began` is the earliest start of any of its containers, None before that."""

    name: str
    began: datetime | None
    restarted_for: str = ""
    waiting: str = ""  # Kubernetes' word for why a container does not run: CrashLoopBackOff, ErrImagePull, …
    restarts: int = 0  # of the container that restarted most


class Workloads(Protocol):
    """What makes pods, and its pods (WORKLOAD_READ; WORKLOAD_WRITE)."""

    def list(self, namespace: str) -> tuple[Workload, ...]:
        """The workloads of a namespace, ordered by kind and name; perhaps as they were a minute ago.

        Good for finding, not for deciding: a workload that came or changed since has new pods.
        """

    def read(self, ref: WorkloadRef) -> Workload | None:
        """The workload as it is now, None when there is none (or it is being deleted)."""

    def pods(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Its pods, ordered by name; none for a workload that is gone."""

    def restart(self, ref: WorkloadRef, digest: str, expected: str) -> None:
        """Put `digest` on the pod template of the workload in state `expected`; its controller replaces the pods.

        Raises Conflict when it is in another state, or gone.
        """


@dataclass(frozen=True, slots=True)
class Rollout:
    """What was last done for a workload, kept outside of it: whoever reverts the workload cannot revert this.

    `marks` say of each Secret which change of its data this is about; `digest` stands for all of them.
    `generation` is the workload's before our restart, 0 where we did not restart it.
    """

    workload: WorkloadRef
    uid: str
    digest: str
    marks: Mapping[str, str]
    stamps: Stamps
    state: State
    began: datetime
    generation: int = 0
    reason: str = ""  # why it waits or is stuck: one of ConsumerStuck's reasons, "budget" or "window"
    told: bool = False  # whether the fact about this state is known to have been accepted
    due: datetime | None = None  # its reminder
    revision: int = 0


class Rollouts(Protocol):
    """Records of restarts (ROLLOUT_READ, ROLLOUT_WRITE)."""

    def refs(self) -> tuple[WorkloadRef, ...]:
        """The workloads that there is a record of, ordered by subject."""

    def read(self, ref: WorkloadRef) -> Rollout | None: ...

    def write(self, rollout: Rollout) -> Rollout:
        """Set it if the record still has this revision (0: there is none); with its new one. Raises Conflict."""

    def remove(self, rollout: Rollout) -> None:
        """Remove it if its revision is unchanged. Absent already: nothing to do. Raises Conflict."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Who holds the slots of a pool, until when at the latest, and who waits for one, in order."""

    pool: str
    holders: Mapping[str, datetime] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    revision: int = 0

    def living(self, now: datetime) -> dict[str, datetime]:
        """The holders but for those whose time is over."""
        return {holder: until for holder, until in self.holders.items() if until > now}


class Budgets(Protocol):
    """Slots under compare-and-set, with holders that expire (BUDGET_WRITE)."""

    def read(self, pool: str) -> Budget:
        """The pool; an empty one of revision 0 where nobody ever held a slot."""

    def reading(self, pool: str) -> AbstractContextManager[Callable[[], Budget]]:
        """The same, asked for at once and waited for when it is called (at most once): other reads go beside it."""

    def write(self, budget: Budget) -> Budget:
        """Set it if its revision is unchanged; with its new one. Raises Conflict."""

    def change(self, pool: str, make: Callable[[Budget], Budget]) -> Budget:
        """Set what `make` makes of the pool, which is called again while others are faster; unchanged: nothing is set.

        In one process one after another, as most who want a slot do at the same moment. Raises Conflict where others
        always are faster.
        """


@dataclass(frozen=True, slots=True, order=True)
class Reminder:
    """That a step is to look at something at or after a minute. The thing's own record says what for."""

    minute: datetime
    step: str
    subject: str


class Reminders(Protocol):
    """Entries under `due/` (REMINDER_WRITE): waiting is not retrying."""

    def due(self, step: str, now: datetime) -> tuple[Reminder, ...]:
        """The step's reminders whose minute has come, oldest first."""

    def set(self, reminder: Reminder) -> None:
        """Set it; there already: nothing to do."""

    def remove(self, reminder: Reminder) -> None:
        """Remove it. Absent already: nothing to do."""
