"""Leaks: somebody reports that a secret is out; what triage makes of it; and that it is of no use any more.

A report says where the secret is (a path label) or what it is (a keyed fingerprint), never its value. Whoever reports
learns nothing by it: what became of a report is said in facts that only operators read.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from events.event import Category, Event
from events.orders import Order
from events.references import Instant, PathRef, Reference, Version
from events.rotation import Principal
from events.schedule import ScheduleRef
from events.secret import Explanation

LeakId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# HMAC-SHA-256 by a key of the authority that its users can use but not read: the key's version, and 64 digits.
Fingerprint = Annotated[str, Field(pattern=r"^v[0-9]{1,6}\.[0-9a-f]{64}$")]
KeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.][-A-Za-z0-9_.]{0,252}$")]
# The name of an alert or of a scanner's rule.
Detector = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][-A-Za-z0-9_.:/ ]{0,127})?$")]


class LeakRef(Reference):
    """One finding: `leaks/<id>`."""

    id: LeakId

    @property
    def subject(self) -> str:
        return f"leaks/{self.id}"


class FingerprintingRef(Reference):
    """One occasion on which values were turned into fingerprints: `fingerprintings/<id>`."""

    id: LeakId

    @property
    def subject(self) -> str:
        return f"fingerprintings/{self.id}"


class LeakReported(Order):
    """A secret was seen where it must not be, at `noticed`; or (resolved) whoever reported it sees it no more.

    The same finding always has the same `leak`, however often it is told. Triage decides what it means.
    """

    TYPE: ClassVar[str] = "dev.lockstep.leak.reported"

    leak: LeakId
    reporter: Principal  # who said it: written by whoever took the report, never by the reporter
    via: Literal["alertmanager", "scanner", "operator", "event"] = "event"
    status: Literal["firing", "resolved"] = "firing"
    noticed: Instant
    detector: Detector = ""
    place: Explanation = ""  # where it was found: a file and line, a commit, a log
    path: PathRef | None = None
    key: KeyText | None = None
    version: Annotated[int, Field(ge=1, le=2**53)] | None = None
    fingerprint: Fingerprint | None = None

    @property
    def about(self) -> LeakRef:
        return LeakRef(id=self.leak)


class TriageRequested(Order):
    """Look at a finding again, or decide it for triage.

    `confirm`: it is a leak, respond (revoking first where the owner opted in). `dismiss`: it is none. `attest`: the
    old credential is refused wherever Lockstep cannot see that itself.
    """

    TYPE: ClassVar[str] = "dev.lockstep.triage.requested"

    leak: LeakId
    decision: Literal["look", "confirm", "dismiss", "attest"]
    by: Principal
    path: PathRef | None = None  # with confirm: the secret that it is, where nothing else tells (and its key)
    key: KeyText | None = None

    @property
    def about(self) -> LeakRef:
        return LeakRef(id=self.leak)


class IndexRequested(Order):
    """Bring the index of fingerprints up to date, if its newest round began before `since`."""

    TYPE: ClassVar[str] = "dev.lockstep.index.requested"

    leak: LeakId | None = None  # the finding that waits for it; None: an operator does
    since: Instant

    @property
    def about(self) -> LeakRef | ScheduleRef:
        return ScheduleRef(name="index") if self.leak is None else LeakRef(id=self.leak)


class Exposure(BaseModel):
    """A secret that is out, at one version, and how it stands.

    `held`: waits for an operator, or for its turn. `rotating`: its rotation was asked for. `revoked`: what leaked is
    refused already. `owner`: Lockstep cannot replace it; its owner must. `ignored`: its leak policy says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: PathRef
    key: KeyText | None = None
    version: Version
    standing: Literal["held", "rotating", "revoked", "owner", "ignored"]


class _Leak(Event):
    CATEGORY: ClassVar[Category] = Category.FACT

    leak: LeakId
    reporter: Principal

    @property
    def about(self) -> LeakRef:
        return LeakRef(id=self.leak)


class LeakConfirmed(_Leak):
    """The finding is a secret of ours. `match` says what told so."""

    TYPE: ClassVar[str] = "dev.lockstep.leak.confirmed"

    match: Literal["path", "fingerprint", "operator"]
    exposures: tuple[Exposure, ...]
    by: Principal  # `triage`, or the operator who confirmed it
    explanation: Explanation

    @property
    def state(self) -> str:
        return ",".join(f"{one.path}#{one.key}@{one.version}:{one.standing}" for one in self.exposures)


class LeakHeld(_Leak):
    """The finding is mapped, and nothing is done about it until somebody decides, or until its turn comes."""

    TYPE: ClassVar[str] = "dev.lockstep.leak.held"

    reason: Literal["needs-confirmation", "budget", "suspended"]
    exposures: tuple[Exposure, ...]
    explanation: Explanation

    @property
    def state(self) -> str:
        return ",".join(f"{one.path}#{one.key}@{one.version}" for one in self.exposures)

    @property
    def result(self) -> str:
        return self.reason


class LeakDismissed(_Leak):
    """The finding leads to nothing that can be rotated, or somebody said that it is none."""

    TYPE: ClassVar[str] = "dev.lockstep.leak.dismissed"

    reason: Literal["unknown", "configuration", "policy", "operator"]
    by: Principal
    explanation: Explanation

    @property
    def result(self) -> str:
        return self.reason


class LeakContained(_Leak):
    """What leaked is refused, every consumer has moved, and nothing that was made with it lives."""

    TYPE: ClassVar[str] = "dev.lockstep.leak.contained"

    paths: tuple[PathRef, ...]
    noticed: Instant
    contained: Instant
    proof: Literal["refused", "attested"]

    @property
    def state(self) -> str:
        return f"{self.leak}/{self.contained.isoformat()}"


class FingerprintsMade(Event):
    """Somebody had values turned into fingerprints: who, how many, what for; never which."""

    TYPE: ClassVar[str] = "dev.lockstep.fingerprints.made"
    CATEGORY: ClassVar[Category] = Category.FACT

    session: LeakId
    by: Principal
    purpose: Literal["fingerprint", "report", "scan"]
    count: Annotated[int, Field(ge=1, le=2**53)]

    @property
    def about(self) -> FingerprintingRef:
        return FingerprintingRef(id=self.session)

    @property
    def state(self) -> str:
        return f"{self.session}/{self.count}"
