"""How events name things: secrets, paths at the authority, manifests, versions (DESIGN, "State identity")."""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from events.errors import EventError

# RFC 1123, as Kubernetes applies it to namespaces (label) and to Secrets and manifests (subdomain).
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What a KV path segment may hold: printable, no control characters, no separators of URLs or shells. None begins
# with a dot, so none can be "." or "..".
_SEGMENT = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,252}")


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("is not a Kubernetes name (RFC 1123 label: a-z, 0-9, '-', at most 63 characters)")
    return text


def _subdomain(text: str) -> str:
    if len(text) > 253 or not _SUBDOMAIN.fullmatch(text):
        raise ValueError("is not a Kubernetes name (RFC 1123 subdomain: a-z, 0-9, '-', '.', at most 253 characters)")
    return text


def _segments(text: str) -> str:
    if len(text) > 512 or not all(_SEGMENT.fullmatch(segment) for segment in text.split("/")):
        raise ValueError("is not a path: segments of letters, digits, '-', '_', '.', joined by single '/'")
    return text


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the first or last hours of the calendar
        raise ValueError("is not a time that UTC can tell") from None


def _shape(pattern: str, length: int) -> dict[str, JsonValue]:
    # For the published JSON Schema: validators that are functions would not show there.
    return {"pattern": f"^{pattern}$", "maxLength": length}


NamespaceName = Annotated[str, AfterValidator(_label), Field(json_schema_extra=_shape(_LABEL.pattern, 63))]
ObjectName = Annotated[str, AfterValidator(_subdomain), Field(json_schema_extra=_shape(_SUBDOMAIN.pattern, 253))]
PathSegments = Annotated[
    str,
    AfterValidator(_segments),
    Field(json_schema_extra=_shape(f"{_SEGMENT.pattern}(/{_SEGMENT.pattern})*", 512)),
]
PathText = Annotated[str, Field(max_length=1025, pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_./]*$")]  # str(PathRef), as a key
# One instant has one spelling, as states and thereby ids are made of it; without an offset it is no instant.
Instant = Annotated[AwareDatetime, AfterValidator(_utc)]


class _Identity(BaseModel):
    """Compares and hashes by value: as pydantic's own, without its looks at private and extra fields, of which there
    are none. Events are routed, ordered and looked up by these, several hundred times for one change of a secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # most processes use few of these alone

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))


class Reference(_Identity):
    """A name of one thing."""

    @property
    def subject(self) -> str:
        """The CloudEvents `subject` that names this thing."""
        raise TypeError(f"{type(self).__name__} has no subject")


class SecretRef(Reference):
    """A Secret in a cluster (or its projection): `namespaces/<namespace>/secrets/<name>`."""

    namespace: NamespaceName
    name: ObjectName

    @property
    def subject(self) -> str:
        return f"namespaces/{self.namespace}/secrets/{self.name}"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class PathRef(Reference):
    """A path at the authority, canonical whichever store manifest led to it: `paths/<mount>/<path>`.

    `mount` may begin with Vault namespaces (`team-a/secret`); `path` never includes the mount.
    """

    mount: PathSegments
    path: PathSegments

    @property
    def subject(self) -> str:
        return f"paths/{self.mount}/{self.path}"

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


class ManifestRef(Reference):
    """A manifest of the wiring: `manifests/<kind>/<namespace>/<name>` (cluster-scoped kinds use namespace `-`)."""

    kind: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,62}$")]
    namespace: Annotated[str, Field(pattern=r"^(-|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$")]
    name: ObjectName

    @property
    def subject(self) -> str:
        return f"manifests/{self.kind}/{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` writes. Raises EventError."""
        match = re.fullmatch(r"(\w+) ([^/]+)/(.+)", text)
        if not match:
            raise EventError("not a manifest reference; expected 'Kind namespace/name'")
        try:
            return cls(kind=match[1], namespace=match[2], name=match[3])
        except ValidationError:  # its text quotes what it refuses
            raise EventError("not a manifest reference: kind, namespace or name is none of Kubernetes'") from None


class Version(_Identity):
    """The identity of one value at the authority.

    KV v2: `number` is the version, `created` that version's created_time. Key Vault: `number` orders versions
    (creation in milliseconds) and `id` is its opaque version id. `number` alone is no identity: deleting a path's
    metadata starts it again at 1.
    """

    number: Annotated[int, Field(ge=1, le=2**53)]
    created: Instant
    id: Annotated[str, Field(max_length=128, pattern=r"^[-A-Za-z0-9._]*$")] = ""

    def newer_than(self, other: "Version | None") -> bool:
        """Whether a stamp may move from `other` to this version.

        A number that is no higher and was created later is a path whose metadata was deleted and which began anew.
        """
        return other is None or self.number > other.number or self.created > other.created

    def surely_newer_than(self, other: "Version") -> bool:
        """Whether number and time agree on it: whatever destroys goes by this.

        A higher number that was created earlier may be one of a path before it began anew, or tell of a clock that
        was moved back; which of the two, nobody can see.
        """
        return self.newer_than(other) and not other.newer_than(self)

    def at_least(self, other: "Version | None") -> bool:
        return self == other or self.newer_than(other)

    def __str__(self) -> str:
        return str(self.number)
