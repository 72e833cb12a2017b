"""Who owns a path: asked for by an operator, and told once it is so."""

from typing import Annotated, ClassVar

from pydantic import Field

from events.event import Category, Event
from events.orders import Order
from events.references import ManifestRef, PathRef, Version


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


class ClaimTaken(Event):
    """A path has a new owner, by an operator's order."""

    TYPE: ClassVar[str] = "dev.lockstep.claim.taken"
    CATEGORY: ClassVar[Category] = Category.FACT

    path: PathRef
    owner: ManifestRef
    epoch: Annotated[int, Field(ge=1)]
    by: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return str(self.epoch)
