"""Facts of rotation: what became of each step (DESIGN, "Rotation")."""

from typing import ClassVar, Literal

from events.event import Category, Event
from events.references import ManifestRef, PathRef, Version
from events.rotation import Policy, RotationId, StepName
from events.secret import Explanation


class _Rotation(Event):
    """What every fact about a rotation says: of which path, which rotation, by which manifest, from which version."""

    CATEGORY: ClassVar[Category] = Category.FACT

    path: PathRef
    rotation: RotationId
    manifest: ManifestRef
    policy: Policy
    base: Version | None = None

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return self.rotation


class RotationStaged(_Rotation):
    """The new credential is chosen and kept apart; nothing accepts it yet."""

    TYPE: ClassVar[str] = "dev.lockstep.rotation.staged"


class RotationApplied(_Rotation):
    """The target was told to accept the new credential."""

    TYPE: ClassVar[str] = "dev.lockstep.rotation.applied"


class RotationVerified(_Rotation):
    """Somebody logged in at the target with the new credential."""

    TYPE: ClassVar[str] = "dev.lockstep.rotation.verified"


class RotationPromoted(_Rotation):
    """The new credential is the path's newest version; consumers are on their way to it."""

    TYPE: ClassVar[str] = "dev.lockstep.rotation.promoted"

    version: Version


class RotationRevoked(_Rotation):
    """The old credential was tried at the target, and refused.

    `evidence`: what showed that the consumers had moved; `none` where a leak did not wait for it. `revoked`: the
    version that held the credential, which is not `base` where somebody else wrote over it.
    """

    TYPE: ClassVar[str] = "dev.lockstep.rotation.revoked"

    evidence: Literal["none", "materialized", "rolled-out", "seen"]
    proof: Literal["refused", "replaced"]  # replaced: nothing could be logged in with, as nothing accepts it
    revoked: Version | None = None


class RotationCompleted(_Rotation):
    """Nothing is left to do: one credential works, and it is the one that consumers have."""

    TYPE: ClassVar[str] = "dev.lockstep.rotation.completed"

    version: Version


class RotationFailed(_Rotation):
    """A step could not do its part. `holds` says which credential works now, the explanation what to do.

    Not the end by itself: what may clear is tried again; `ended` tells that nothing more happens without an order.
    """

    TYPE: ClassVar[str] = "dev.lockstep.rotation.failed"

    step: StepName
    reason: Literal[
        "target-unavailable",
        "target-refused",  # by policy, twice
        "admin-refused",
        "not-accepted",  # applied, and the login fails
        "conflict",  # the path keeps being written by somebody else
        "claim-lost",
        "staged-lost",  # what was staged is gone, and nobody knows the value any more
        "no-evidence",  # revocation waits for consumers that do not move
        "still-accepted",  # revoked, and the old credential still works
        "suspended",
        "not-allowed",
        "aborted",
        "overdue",
        "revoked-value",  # something beside the credential was revoked since it was staged
    ]
    holds: Literal["old", "new", "both", "unknown"]
    ended: bool
    explanation: Explanation

    @property
    def result(self) -> str:
        return f"{self.step}:{self.reason}:{self.ended}"
