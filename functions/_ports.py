"""Everything a step may touch: small Protocols, one contract suite each (tests/contracts).

Adapters raise `Unavailable` where a dependency is down or refuses, `Conflict` where a compare-and-set lost, and
`Reject` where the stored thing can never be accepted; steps need no knowledge of clients.
"""

from __future__ import annotations  # evaluated, they would load what is imported below for them alone

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._values import SecretData, SecretValue

if TYPE_CHECKING:  # few steps have use for all of these, and a start waits for what is loaded
    from functions._leaks import FingerprintIndex, Fingerprints, Leaks, Trust
    from functions._leases import Leases
    from functions._manifests.cluster_secret_store import Mode
    from functions._manifests.external_secret import ExternalSecret
    from functions._manifests.push_secret import PushSecret
    from functions._manifests.rotation import Rotation
    from functions._manifests.selector import LabelSelector
    from functions._rotations import Pending, Proofs, Rotations
    from functions._systems import Systems
    from functions._workloads import Budgets, Reminders, Rollouts, Workloads

T = TypeVar("T")

# --- Secrets of a cluster, or of its projection -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret as read. `state` identifies exactly what was read and is the precondition of a later write.

    `stamp` maps `str(PathRef)` to the version its data came from; `owner` is `str(ManifestRef)` of the
    ExternalSecret that manages it ("" for a Secret that is not ours); `managed` are the keys that we wrote.
    """

    ref: SecretRef
    data: SecretData
    state: str
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    immutable: bool = False
    stamp: Mapping[str, Version] = field(default_factory=dict)
    owner: str = ""
    managed: frozenset[str] = frozenset()
    drifted: bool = False  # somebody changed our keys after we wrote them


@dataclass(frozen=True, slots=True)
class SecretHead:
    """A Secret's metadata without its data: what a sweep may look at."""

    ref: SecretRef
    state: str
    stamp: Mapping[str, Version] = field(default_factory=dict)
    owner: str = ""
    drifted: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SecretContent:
    """What a write makes of a target Secret, as a whole."""

    data: SecretData
    stamp: Mapping[str, Version]
    owner: str
    managed: frozenset[str]
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    immutable: bool = False


LookedAt = Callable[[SecretRef], SecretHead | None]
"""What `heads` found of one of the Secrets that were asked for; raises what looking at that one raised."""


class SourceSecrets(Protocol):
    """Secrets that producers make (SOURCE_READ)."""

    def read(self, ref: SecretRef) -> Secret | None:
        """The Secret as a whole, None when there is none. Raises Retry while it is half-written."""

    def reading(self, ref: SecretRef) -> AbstractContextManager[Callable[[], Secret | None]]:
        """`read`, asked for at once and waited for when it is called (at most once): other reads go beside it.

        What it finds may be older than what a read finds that ends before it, or begins when this does; but never than
        what was told of it, was read or written of it here, or stood in a publication read here, before it was asked.
        """

    def head(self, ref: SecretRef) -> SecretHead | None: ...

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        """`head` of each, looked up with as few requests as the store and the identity allow.

        They are as they were when this was called, or later. Raises Retry where the store sheds load for too long.
        """

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        """The Secrets of one namespace whose labels match, ordered by name."""


class TargetSecrets(Protocol):
    """Secrets that consumers use (TARGET_READ; TARGET_WRITE; TARGET_DELETE)."""

    def read(self, ref: SecretRef) -> Secret | None: ...

    def reading(self, ref: SecretRef) -> AbstractContextManager[Callable[[], Secret | None]]:
        """As of `SourceSecrets`."""

    def head(self, ref: SecretRef) -> SecretHead | None: ...

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        """As of `SourceSecrets`."""

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        """Make a Secret that must not exist; its state. Raises Conflict when it does."""

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        """Replace a Secret that must still be in state `expected`; its new state. Raises Conflict."""

    def delete(self, ref: SecretRef, expected: str) -> None:
        """Delete a Secret that must still be in state `expected`. Absent already: nothing to do. Raises Conflict."""


# --- The authority ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One version of a path. `data` is None when that version is deleted or destroyed; values are UTF-8 text."""

    path: PathRef
    version: Version
    data: SecretData | None


@dataclass(frozen=True, slots=True)
class PathHead:
    """A path's metadata: its newest version, whether that is deleted, and which versions still exist."""

    path: PathRef
    version: Version
    deleted: bool
    live: tuple[int, ...] = ()  # numbers of the versions that are neither deleted nor destroyed


class Authority(Protocol):
    """The system that owns current values (AUTHORITY_READ, AUTHORITY_WRITE, AUTHORITY_DELETE, AUTHORITY_METADATA)."""

    def read(self, path: PathRef, version: Version | None = None) -> StoredSecret | None:
        """The newest version, or the one named; None where nothing was ever written, or that version is gone."""

    def reading(
        self, path: PathRef, version: Version | None = None
    ) -> AbstractContextManager[Callable[[], StoredSecret | None]]:
        """As of `Claims`."""

    def read_pinned(self, path: PathRef, pin: str) -> StoredSecret | None:
        """The version that a manifest pins (KV: its number); None where it is gone. Raises Reject for a bad pin."""

    def head(self, path: PathRef) -> PathHead | None: ...

    def heading(self, path: PathRef) -> AbstractContextManager[Callable[[], PathHead | None]]:
        """`head`, as `reading` is `read`."""

    def list(self, mount: str, prefix: str) -> tuple[PathRef, ...]:
        """All paths below a prefix ("" for the whole mount), ordered."""

    def write(self, path: PathRef, data: SecretData, base: Version | None) -> Version:
        """Write as a whole if the newest version is still `base` (None: nothing was ever written).

        Raises Conflict when it is not; Reject for a value that the store cannot hold unchanged.
        """

    def delete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        """Soft-delete exactly these versions; others stay."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may write a path (DESIGN, "Claims"). `revision` is the CAS token of the document."""

    path: PathRef
    owner: str  # str(ManifestRef); with `cluster` and `uid`, one owner among all clusters
    cluster: str
    uid: str
    origin: Literal["producer", "rotation", "authority"]
    epoch: int
    state: Literal["active", "released", "retired"]
    on_removal: Literal["keep", "delete"] = "keep"  # what the owner's deletionPolicy asks, kept for when it is gone
    properties: tuple[str, ...] = ()  # keys that we ever wrote and did not retract
    deleted: tuple[int, ...] = ()  # versions that we soft-deleted ourselves, and may restore over
    # Fingerprints of values that were revoked, and are never published again; the older ones are in so many pages.
    revoked: tuple[str, ...] = ()
    pages: int = 0
    revision: int = 0


class Claims(Protocol):
    """Ownership documents at the authority (CLAIM_READ, CLAIM_WRITE)."""

    def read(self, path: PathRef) -> Claim | None: ...

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Claim | None]]:
        """The same, asked for at once and waited for when it is called (at most once): other reads go beside it.

        What it finds may be older than what a read that ends before it finds.
        """

    def create(self, claim: Claim) -> Claim:
        """Make the first claim of a path; with its revision. Raises Conflict where one exists."""

    def update(self, claim: Claim) -> Claim:
        """Replace the claim whose revision is `claim.revision`; with its new revision. Raises Conflict."""

    def revoked(self, path: PathRef, page: int) -> tuple[str, ...]:
        """A page of older fingerprints, from 1, in the order in which they were remembered; () where there is none."""

    def remember(self, path: PathRef, page: int, fingerprints: tuple[str, ...]) -> None:
        """Add to a page what it does not hold yet. Raises Conflict."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An absence that somebody noticed; only the sweep acts on it, after `due`."""

    id: str  # 32 hexadecimal digits
    manifest: ManifestRef
    target: SecretRef | PathRef
    policy: Literal["delete-target", "release-path", "delete-path", "delete-properties", "revoke-lease"]
    noticed: datetime
    due: datetime
    properties: tuple[str, ...] = ()
    base: Version | None = None  # the version that may be deleted; a newer one is somebody's new value
    owner: str = ""  # who owned the target when its absence was noticed
    change: str = ""  # the change of the wiring that took it away: after another one, grace begins anew
    revision: int = 0


class Tombstones(Protocol):
    """Noticed absences (TOMBSTONE_READ, TOMBSTONE_WRITE)."""

    def list(self) -> tuple[Tombstone, ...]:
        """Those that can be read: a spoilt one holds up no other."""

    def read(self, tombstone_id: str) -> Tombstone | None:
        """Raises Reject for one that somebody spoilt."""

    def create(self, tombstone: Tombstone) -> None:
        """Set it. One with the same id stays as it is, unless another change than the one it tells of took it away.

        Raises Conflict where such a one was changed meanwhile.
        """

    def remove(self, tombstone: Tombstone) -> None:
        """Remove it if its revision is unchanged. Absent already: nothing to do. Raises Conflict."""


# --- What is known locally ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Publication:
    """What a path's origin last confirmed: the version it stands by and the source states it came from.

    Only the step that writes the path records it (on Kubernetes: the PushSecret's status). A version newer than
    this at the authority was written by somebody else, or is about to be confirmed: it is not materialized.
    """

    path: PathRef
    version: Version
    manifest: ManifestRef
    sources: Mapping[str, str]  # str(SecretRef) -> state
    generation: str = ""  # of the manifest


class Publications(Protocol):
    """Confirmed versions (PUBLICATION_READ, PUBLICATION_WRITE)."""

    def read(self, path: PathRef) -> Publication | None: ...

    def record(self, publication: Publication) -> None:
        """Keep it unless a higher version number is recorded already.

        By number, not by time: the authority's clock may have been moved back. `forget` begins anew.
        """

    def forget(self, path: PathRef) -> None:
        """Drop what was recorded: the path has no origin of ours any more."""


class Wiring(Protocol):
    """The index of the manifests: who produces and who consumes what, never a listing per event."""

    def push_secret(self, ref: ManifestRef) -> PushSecret | None: ...

    def external_secret(self, ref: ManifestRef) -> ExternalSecret | None: ...

    def producers_of_source(self, ref: SecretRef, labels: Mapping[str, str]) -> tuple[PushSecret, ...]:
        """PushSecrets whose selector names this Secret or matches its labels."""

    def selects_labels(self, namespace: str) -> bool:
        """Whether some PushSecret there selects by label, so that a Secret's labels must be looked up."""

    def producers_of_path(self, path: PathRef) -> tuple[PushSecret, ...]:
        """Usually one. Several is a conflict that the manifests make."""

    def consumers_of_path(self, path: PathRef) -> tuple[ExternalSecret, ...]:
        """ExternalSecrets that read this path, those that find it by prefix and expression included."""

    def consumer_of_target(self, ref: SecretRef) -> tuple[ExternalSecret, ...]: ...

    def push_secrets(self) -> Iterator[PushSecret]: ...

    def external_secrets(self) -> Iterator[ExternalSecret]: ...

    def rotation(self, ref: ManifestRef) -> Rotation | None: ...

    def rotation_of_path(self, path: PathRef) -> Rotation | None:
        """The one that rotates the path. Several are a conflict: each has a `problem`, and none is told."""

    def rotations(self) -> Iterator[Rotation]: ...

    def mount(self, store: str) -> str | None:
        """The canonical mount of a ClusterSecretStore, None when there is no such store."""

    def mode(self, ref: ManifestRef) -> Mode:
        """Who writes what a PushSecret or ExternalSecret asks; but for `own`, its `problem` says so too."""

    def gone(self, namespace: str) -> bool:
        """Whether a namespace is known not to exist, or to be going with everything in it."""

    def complete(self) -> bool:
        """Whether everything could be listed and parsed; while it is not, nothing is retracted."""

    def problem(self, ref: ManifestRef) -> str | None:
        """Why this manifest may not act (a cycle, two claims on a path, a rule that is enforced), None if it may."""


class Access(Protocol):
    """The access policy, outside the wiring: default deny both ways (DESIGN, "Who may say and do what")."""

    def may_publish(self, namespace: str, path: PathRef) -> bool: ...

    def may_read(self, namespace: str, path: PathRef) -> bool: ...


class Suspensions(Protocol):
    """What operators stopped; checked before every write."""

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        """Why writing for any of these is suspended, None when it is not."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The few choices of an operator that steps need (lockstep.yaml)."""

    cluster: str = "local"
    retraction_grace: float = 3600.0  # seconds between noticing an absence and acting on it
    retraction_limit: int = 10  # how many retractions may be due at once before the sweep holds all of them
    order_lifetime: float = 900.0  # seconds that an order holds
    restart_limit: int = 3  # how many workloads of one namespace may be restarting at once
    restart_deadline: float = 900.0  # seconds after which a rollout that is not complete is stuck
    restart_window: str = ""  # when workloads without a window of their own may be restarted; "": always
    restart_for_reloader: bool = True  # whether Stakater Reloader's annotations opt in too
    rotation_limit: int = 10  # how many rotations may be between their beginning and their promotion at once
    rotation_slot: float = 900.0  # seconds after which a rotation that did not give its slot back loses it
    rotation_patience: float = 900.0  # seconds that consumers may take to move before somebody is told
    leak_limit: int = 20  # how many secrets reports may have rotated in an hour without an operator
    leak_limit_per_reporter: int = 10  # the same, of one reporter
    reporters: Mapping[str, Trust] = field(default_factory=dict)  # principal -> what its reports may lead to

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.retraction_grace)


class Ledger(Protocol):
    """The append-only record (LEDGER_WRITE). Appending is its one writer's; a step only anchors."""

    def anchor(self) -> None:
        """Sign the chain's head with the authority's key and anchor it there by CAS; nothing new: nothing done."""


class Randomness(Protocol):
    """Chance that nobody can foretell, which steps never take from the machine."""

    def value(self, characters: str, length: int) -> SecretValue:
        """A new value of so many characters, each drawn evenly from these."""


class Beside(Protocol):
    """Calls that need not wait for each other, side by side."""

    def __call__(self, work: Callable[[], T]) -> AbstractContextManager[Callable[[], T]]:
        """Begin it at once; what is given, called within the block as often as one likes, waits for its result and
        raises what it raised. Nothing of it goes on after the block: its end waits, too, and raises nothing of it.

        Whoever dies within the block may have done it or not.
        """


class Clock(Protocol):
    """Time, which steps never take from the machine."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a host hands to a step, built with that step's own identity."""

    sources: SourceSecrets
    targets: TargetSecrets
    authority: Authority
    claims: Claims
    tombstones: Tombstones
    publications: Publications
    wiring: Wiring
    access: Access
    suspensions: Suspensions
    ledger: Ledger
    workloads: Workloads
    rollouts: Rollouts
    budgets: Budgets
    reminders: Reminders
    rotations: Rotations
    pending: Pending
    proofs: Proofs
    systems: Systems
    leases: Leases
    leaks: Leaks
    fingerprints: Fingerprints
    index: FingerprintIndex
    randomness: Randomness
    beside: Beside
    clock: Clock
    settings: Settings
