"""Orders of rotation: to begin, to look again, to give up (DESIGN, "Rotation"). `events.rotated` tells what became."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from events.orders import Order
from events.references import PathRef, Version

RotationId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# Planned: overlap, evidence, then revocation. Leak: at once, without grace.
Policy = Literal["planned", "leak"]
Principal = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
StepName = Literal["create", "apply", "verify", "promote", "revoke"]


class RotationRequested(Order):
    """Replace the credential at this path, whose newest version is `base` (None: it has none yet).

    A rotation under way is joined; its policy only ever becomes stricter. `attempt` counts what was tried from one
    base, from 1: a repeated order begins nothing twice.
    """

    TYPE: ClassVar[str] = "dev.lockstep.rotation.requested"

    path: PathRef
    policy: Policy
    base: Version | None = None
    attempt: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    by: Principal

    @property
    def about(self) -> PathRef:
        return self.path


class PhaseRequested(Order):
    """Look again at how far the rotation of this path is, and do what its current phase asks."""

    TYPE: ClassVar[str] = "dev.lockstep.phase.requested"
    WAKES: ClassVar[bool] = True  # a slot that one rotation gave back is another one's turn: no cause of it, no loop

    path: PathRef
    rotation: RotationId
    step: StepName | None = None  # the one whose turn it is; None: each looks whether it is its own

    @property
    def about(self) -> PathRef:
        return self.path


class AbortRequested(Order):
    """Give the rotation up, if it is not promoted: the base credential stays, the new one is taken back."""

    TYPE: ClassVar[str] = "dev.lockstep.abort.requested"

    path: PathRef
    rotation: RotationId
    by: Principal

    @property
    def about(self) -> PathRef:
        return self.path
