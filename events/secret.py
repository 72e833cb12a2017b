"""Facts and hints about secrets: changed, removed, published, materialized, retracted, conflicted."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from events.event import Category, Event
from events.references import ManifestRef, PathRef, PathText, SecretRef, Version

StateIdentity = Annotated[str, Field(max_length=256, pattern=r"^[\x21-\x7e]*$")]
# A key of a Secret: not ".", and not beginning with "..", as Kubernetes (and a mounted Secret's own files) have it.
KeyName = Annotated[str, Field(max_length=253, pattern=r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$")]
# Text for people: no control characters, and none that reorder a line (Unicode's bidirectional ones).
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
Explanation = Annotated[str, Field(max_length=512, pattern=_PRINTABLE)]


class SecretChanged(Event):
    """A source Secret changed or appeared. A hint: the step reads the store."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.changed"
    CATEGORY: ClassVar[Category] = Category.HINT

    secret: SecretRef
    seen: StateIdentity = ""

    @property
    def about(self) -> SecretRef:
        return self.secret

    @property
    def state(self) -> str:
        return self.seen


class SecretRemoved(Event):
    """A source Secret is gone. A hint, and a type of its own: who undoes need not hear of every change."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.removed"
    CATEGORY: ClassVar[Category] = Category.HINT

    secret: SecretRef
    seen: StateIdentity = ""  # after which state

    @property
    def about(self) -> SecretRef:
        return self.secret

    @property
    def state(self) -> str:
        return self.seen


class SecretDrifted(Event):
    """Somebody changed a managed Secret behind our back. A hint: the step compares it with the authority."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.drifted"
    CATEGORY: ClassVar[Category] = Category.HINT

    secret: SecretRef
    seen: StateIdentity = ""

    @property
    def about(self) -> SecretRef:
        return self.secret

    @property
    def state(self) -> str:
        return self.seen


class SecretWritten(Event):
    """Somebody wrote, deleted or restored versions of a path, as the authority's audit stream tells. A hint.

    It says neither what nor who: whoever hears it asks the authority for the newest version, and the publications for
    whose path it is. `seen` is the id of the audited request, by which a reviewer finds the line; it decides nothing.
    """

    TYPE: ClassVar[str] = "dev.lockstep.secret.written"
    CATEGORY: ClassVar[Category] = Category.HINT

    path: PathRef
    seen: StateIdentity = ""

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return self.seen


class SecretPublished(Event):
    """The authority holds a version that the path's own origin wrote (or has confirmed)."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.published"
    CATEGORY: ClassVar[Category] = Category.FACT

    path: PathRef
    version: Version
    keys: tuple[KeyName, ...]
    origin: ManifestRef | None = None
    outcome: Literal["written", "unchanged"]

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return f"{self.version.number}@{self.version.created.isoformat()}{self.version.id}"

    @property
    def result(self) -> str:
        # One version is one publication: an answer repeated after a lost reply is the same fact.
        return "published"


class SecretMaterialized(Event):
    """A consumer Secret carries these versions."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.materialized"
    CATEGORY: ClassVar[Category] = Category.FACT

    secret: SecretRef
    consumer: ManifestRef
    stamp: dict[PathText, Version]
    keys: tuple[KeyName, ...]
    seen: StateIdentity
    outcome: Literal["created", "updated", "unchanged"]

    @property
    def about(self) -> SecretRef:
        return self.secret

    @property
    def state(self) -> str:
        return ",".join(f"{path}={v.number}@{v.created.isoformat()}" for path, v in sorted(self.stamp.items()))

    @property
    def result(self) -> str:
        return "materialized"


class SecretConflicted(Event):
    """Somebody other than its owner holds or wrote the path; nothing of theirs was distributed."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.conflicted"
    CATEGORY: ClassVar[Category] = Category.FACT

    path: PathRef
    claimant: ManifestRef
    owner: Explanation = ""
    version: Version | None = None
    outcome: Literal["foreign-write", "owned-by-other", "revoked-value"]
    explanation: Explanation

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return f"{self.version.number}@{self.version.created.isoformat()}" if self.version else self.owner

    @property
    def result(self) -> str:
        return f"{self.outcome}:{self.claimant}"


class SecretRetracted(Event):
    """A tombstone was set, withdrawn, held (too many at once), carried out, or found not to apply any more."""

    TYPE: ClassVar[str] = "dev.lockstep.secret.retracted"
    CATEGORY: ClassVar[Category] = Category.FACT

    target: SecretRef | PathRef
    manifest: ManifestRef
    tombstone: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    outcome: Literal["noticed", "withdrawn", "held", "retracted", "kept"]
    explanation: Explanation = ""

    @property
    def about(self) -> SecretRef | PathRef:
        return self.target

    @property
    def state(self) -> str:
        return self.tombstone

    @property
    def result(self) -> str:
        return self.outcome
