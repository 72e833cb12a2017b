"""Events about consumers: workloads that use Secrets, restarted and followed until they run a version."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from events.errors import EventError
from events.event import Category, Event
from events.identity import fact_id
from events.orders import Order
from events.references import NamespaceName, ObjectName, PathText, Reference, Version
from events.secret import Explanation, StateIdentity

_KINDS = {f"{kind.lower()}s": kind for kind in ("Deployment", "StatefulSet", "DaemonSet")}
_SUBJECT = re.compile(r"namespaces/([^/]+)/([a-z]+)/([^/]+)")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# What each Secret of the workload's namespace carries: its name -> path -> version.
Stamps = dict[ObjectName, dict[PathText, Version]]


class WorkloadRef(Reference):
    """What makes pods: `namespaces/<namespace>/deployments/<name>` (statefulsets, daemonsets)."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"]
    namespace: NamespaceName
    name: ObjectName

    @property
    def subject(self) -> str:
        return f"namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def parse(cls, subject: str) -> Self:
        """Read what `subject` writes. Raises EventError."""
        found = _SUBJECT.fullmatch(subject)
        if found is None or found[2] not in _KINDS:
            raise EventError("not a workload; expected namespaces/<namespace>/deployments/<name> or its like")
        try:
            return cls.model_validate({"kind": _KINDS[found[2]], "namespace": found[1], "name": found[3]})
        except ValidationError:  # its text quotes what it refuses
            raise EventError("not a workload: its namespace or name is none of Kubernetes'") from None


class WorkloadChanged(Event):
    """A workload, or how far its rollout is, changed. A hint: the step reads the cluster."""

    TYPE: ClassVar[str] = "dev.lockstep.workload.changed"
    CATEGORY: ClassVar[Category] = Category.HINT

    workload: WorkloadRef
    seen: StateIdentity = ""

    @property
    def about(self) -> WorkloadRef:
        return self.workload

    @property
    def state(self) -> str:
        return self.seen


class _Consumer(Event):
    """What all facts about a consumer say: which one, which changes of its Secrets, and the versions they carry.

    `seen` is the workload's uid; `digest` identifies, without a value, when the data of its Secrets last changed.
    """

    CATEGORY: ClassVar[Category] = Category.FACT

    workload: WorkloadRef
    seen: StateIdentity
    digest: Digest
    secrets: Stamps

    @property
    def about(self) -> WorkloadRef:
        return self.workload

    @property
    def state(self) -> str:
        return f"{self.seen}/{self.digest}"


class ConsumerRestarted(_Consumer):
    """The workload was told to replace its pods, once for these versions."""

    TYPE: ClassVar[str] = "dev.lockstep.consumer.restarted"


class ConsumerAdopted(_Consumer):
    """The workload runs these versions, and is healthy with them.

    `evidence`, from weak to strong: `materialized`, the kubelet has replaced the files of its volumes;
    `rolled-out`, every pod's containers started after the data changed; `seen`, the target system saw the new
    credential in use.
    """

    TYPE: ClassVar[str] = "dev.lockstep.consumer.adopted"

    evidence: Literal["materialized", "rolled-out", "seen"]

    @property
    def state(self) -> str:
        said = ",".join(
            f"{name}:{path}={version.number}@{version.created.isoformat()}"
            for name, stamp in sorted(self.secrets.items())
            for path, version in sorted(stamp.items())
        )
        return f"{self.seen}/{self.digest}/{fact_id(self.TYPE, self.about.subject, said, '')}"

    @property
    def result(self) -> str:
        return self.evidence


class ConsumerStuck(_Consumer):
    """The workload does not come to run these versions by itself; the explanation says what to do."""

    TYPE: ClassVar[str] = "dev.lockstep.consumer.stuck"

    reason: Literal[
        "reverted",
        "on-delete",
        "partitioned",
        "paused",
        "bad-window",
        "deadline-exceeded",
        "crash-looping",
        "timed-out",
    ]
    explanation: Explanation

    @property
    def result(self) -> str:
        return self.reason


class RestartRequested(Order):
    """Look whether this workload's pods lack what its Secrets carry, and restart it if it asked for that."""

    TYPE: ClassVar[str] = "dev.lockstep.restart.requested"

    workload: WorkloadRef

    @property
    def about(self) -> WorkloadRef:
        return self.workload


class AdoptionRequested(Order):
    """Follow this workload until it runs what its Secrets carry."""

    TYPE: ClassVar[str] = "dev.lockstep.adoption.requested"

    workload: WorkloadRef

    @property
    def about(self) -> WorkloadRef:
        return self.workload
