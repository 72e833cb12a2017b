"""Orders: they name what is to be looked at again; the step decides from the stores."""

from typing import Annotated, ClassVar

from pydantic import Field

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
