"""What steps remember of rotations: one record per path under compare-and-set, what is staged, and what is proven.

None of the three may be written by a step that is not named for it: promoting looks for a proof that only `verify`
writes, of a staged value that only `create` and `apply` write.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from events.references import ManifestRef, PathRef, Version
from events.rotation import Policy, RotationId
from functions._manifests.rotation import Evidence, LeakPolicy, Strategy
from functions._values import SecretData

# `requested` … `promoted` are the steps' ways (`promoting`: about to be written live, and no more to be given up;
# what answers a leak is as soon as it is verified).
# `aborting`: the base credential is made to work again; `withdrawing`: the new one is taken back. Then the ends.
Phase = Literal[
    "requested", "staged", "applied", "verified", "promoting", "promoted",
    "aborting", "withdrawing", "completed", "failed", "aborted",
]  # fmt: skip
ENDED: frozenset[Phase] = frozenset({"completed", "failed", "aborted"})


@dataclass(frozen=True, slots=True)
class Holder:
    """A credential by name: the account, the id where the provider gives one, and the version that holds its value."""

    account: str
    id: str = ""
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What was asked for while the former rotation is not settled: it begins when that ends."""

    policy: Policy
    base: Version | None
    attempt: int
    by: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the current phase does not get on: since when, how often it was tried, whether somebody was told.

    `detail` is what the last try said, as `rotation.failed` tells it: names and next actions, never a value.
    """

    reason: str
    since: datetime
    tries: int = 1
    told: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the manifest asked when the rotation began: it ends by these, whatever becomes of the manifest.

    `grace` is in seconds. `accounts` are the two that take turns, or the one.
    """

    target: str
    strategy: Strategy
    accounts: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)  # the target's field -> the path's property
    grace: float = 0.0
    evidence: Evidence = "materialized"
    leak: LeakPolicy = field(default_factory=LeakPolicy)

    def property_of(self, name: str) -> str:
        return self.properties.get(name, name)


@dataclass(frozen=True, slots=True)
class Record:
    """The rotation of one path: at most one is under way. `revision` is the CAS token of the document.

    `id` = hash(path, base, attempt): a repeated trigger finds itself. `old` is what consumers had, `new` what they
    get, named from before the target is first told of it. `orphans` are credentials that a target may still accept
    and nobody holds: revoke ends them. `told`: the fact about its end is known to have been accepted.
    """

    path: PathRef
    id: RotationId
    manifest: ManifestRef
    attempt: int
    policy: Policy
    phase: Phase
    base: Version | None
    began: datetime
    entered: datetime  # when the current phase began
    by: str
    terms: Terms
    old: Holder | None = None
    new: Holder | None = None
    staged: Version | None = None  # of the pending document
    promoted: Version | None = None
    regenerated: bool = False  # the target refused a value by policy once
    revoked_first: bool = False  # the owner opted in: the old one died before there was a new one
    conflicts: int = 0  # how often somebody else wrote the path meanwhile
    trouble: Trouble | None = None
    orphans: tuple[Holder, ...] = ()
    following: Next | None = None
    ending: str = ""  # why it is given up: a reason of RotationFailed
    evidenced: datetime | None = None  # since when all consumers are known to have moved
    evidence: str = ""  # what the revocation went by, and what proved it: as RotationRevoked has them
    proof: str = ""
    told: bool = False
    ender: str = ""  # the hint whose delivery completed it, and so tells of that; none: it was asked to look
    due: datetime | None = None  # its reminder
    revision: int = 0


class Rotations(Protocol):
    """Records of rotations (ROTATION_READ, ROTATION_WRITE)."""

    def paths(self) -> tuple[PathRef, ...]:
        """The paths that there is a record of, ordered."""

    def read(self, path: PathRef) -> Record | None: ...

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Record | None]]:
        """As of `Pending`."""

    def write(self, record: Record) -> Record:
        """Set it if the record still has this revision (0: there is none); with its new one. Raises Conflict."""

    def turn(self, path: PathRef) -> AbstractContextManager[None]:
        """Wait until nobody else of this process is in such a block for the path; not for ever.

        It saves doing the same twice. What is right is decided by compare-and-set, as others have processes of their
        own.
        """


@dataclass(frozen=True, slots=True)
class Staged:
    """The whole content that a path is to have, and which credential of the target it is."""

    path: PathRef
    rotation: str
    credential: Holder
    data: SecretData = field(repr=False)
    version: Version | None = None  # of the pending document itself; None before it is written


class Pending(Protocol):
    """Staged values, apart from live ones, under policies of their own (PENDING_READ, PENDING_WRITE, _REMOVE)."""

    def read(self, path: PathRef) -> Staged | None: ...

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Staged | None]]:
        """The same, asked for at once and waited for when it is called (at most once): other reads go beside it."""

    def create(self, staged: Staged) -> Staged:
        """Stage it where nothing is staged; with its version. Raises Conflict where something is."""

    def creating(self, staged: Staged) -> AbstractContextManager[Callable[[], Staged]]:
        """`create`, begun at once and done when what is given was called: other writes go beside it.

        Whoever dies before that call, or never makes it, may have staged it or not.
        """

    def remove(self, path: PathRef, version: Version | None) -> None:
        """Remove what is staged whole, history included, if it is still this version. Absent: nothing to do.

        Raises Conflict.
        """


@dataclass(frozen=True, slots=True)
class Proof:
    """Somebody logged in with exactly this staged value."""

    path: PathRef
    rotation: str
    staged: Version
    at: datetime


class Proofs(Protocol):
    """What verification proved (PROOF_READ, PROOF_WRITE)."""

    def read(self, path: PathRef) -> Proof | None: ...

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Proof | None]]:
        """As of `Pending`."""

    def writing(self, proof: Proof) -> AbstractContextManager[Callable[[], None]]:
        """Keep it in place of the former one: begun at once, and done when what is given was called.

        Other writes go beside it; whoever dies before that call may have kept it or not.
        """
