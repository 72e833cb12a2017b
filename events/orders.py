"""Orders: they name what is to be looked at again; the step decides from the stores."""

from typing import Annotated, ClassVar

from pydantic import Field

from events.consumer import WorkloadRef
from events.event import Category, Event
from events.references import Instant, ManifestRef, PathRef, PathText, SecretRef, Version
from events.secret import Explanation


class Order(Event):
    """What every order carries: until when it holds, and why it was given."""

    CATEGORY: ClassVar[Category] = Category.ORDER

    expires: Instant
    reason: Explanation


class PublishRequested(Order):
    """Compare this producer's path with its source again."""

    TYPE: ClassVar[str] = "dev.lockstep.publish.requested"

    path: PathRef
    base: Version | None = None

    @property
    def about(self) -> PathRef:
        return self.path


class MaterializeRequested(Order):
    """Bring this one consumer up to date; `base` is the version that was missing (a lower bound)."""

    TYPE: ClassVar[str] = "dev.lockstep.materialize.requested"

    consumer: ManifestRef
    secret: SecretRef
    base: dict[PathText, Version] = Field(default_factory=dict)

    @property
    def about(self) -> SecretRef:
        return self.secret


class RetractRequested(Order):
    """A tombstone's grace is over and its absence was rechecked: carry it out."""

    TYPE: ClassVar[str] = "dev.lockstep.retract.requested"

    target: SecretRef | PathRef
    tombstone: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    base: Version | None = None

    @property
    def about(self) -> SecretRef | PathRef:
        return self.target


class ClaimRequested(Order):
    """Let this PushSecret take over the path from whoever holds it (`lockstep adopt`)."""

    TYPE: ClassVar[str] = "dev.lockstep.claim.requested"

    path: PathRef
    claimant: ManifestRef
    epoch: Annotated[int, Field(ge=0)]
    base: Version | None = None
    by: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]

    @property
    def about(self) -> PathRef:
        return self.path


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
