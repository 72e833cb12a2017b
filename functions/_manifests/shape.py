"""What every manifest has in common: ESO's camelCase outside, snake_case inside, unknown fields refused by name."""

import hashlib
import json
import re
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from events.references import ManifestRef, NamespaceName, ObjectName

# How what is read is turned into a Secret's data.
Conversion = Literal["Default", "Unicode"]
Decoding = Literal["Auto", "Base64", "Base64URL", "None"]
CLUSTER_SCOPE = "-"  # what ManifestRef.namespace says for kinds that have none

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def camel(name: str) -> str:
    """`remote_ref` as `remoteRef`."""
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


class Shape(BaseModel):
    """A part of a manifest: immutable, compared by value, no field that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=camel, validate_by_name=True, validate_by_alias=True,
        defer_build=True,  # a part is built within its manifest, and alone only where it is made alone
    )  # fmt: skip


def parse_duration(text: object) -> float:
    """Seconds of a Go duration (`1h0m0s`, `90s`, `0`). Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("is not a duration in quotes, such as '1h0m0s'")  # noqa: TRY004  pydantic turns only ValueError into a located error
    digits = text[1:] if text[:1] in ("+", "-") else text
    if digits == "0":
        return 0.0
    parts = _DURATION.findall(digits)
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        raise ValueError("is not a duration such as '1h0m0s', '90s' or '0'")
    if text.startswith("-"):
        raise ValueError("is a negative duration; use '0' for once")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _duration(value: object) -> float:
    # A model built in Python passes seconds, a manifest passes text.
    return value if isinstance(value, float) else parse_duration(value)


Duration = Annotated[float, BeforeValidator(_duration)]


class Metadata(Shape):
    """The part of an object's metadata that matters here; what a cluster adds is let through unread."""

    model_config = ConfigDict(extra="ignore")

    name: ObjectName
    namespace: NamespaceName | None = None
    uid: str = Field(default="", max_length=128)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Manifest(Shape):
    """A whole manifest. `status` is a controller's and is neither read nor compared."""

    KIND: ClassVar[str]
    NAMESPACED: ClassVar[bool] = True

    metadata: Metadata
    status: Any = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _scoped(self) -> "Manifest":
        if self.NAMESPACED and self.metadata.namespace is None:
            raise ValueError(f"metadata.namespace is missing; a {self.KIND} belongs to one namespace, so name it")
        if not self.NAMESPACED and self.metadata.namespace is not None:
            raise ValueError(f"metadata.namespace is set, but a {self.KIND} is cluster-scoped; remove it")
        return self

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The namespace; `-` for a cluster-scoped kind."""
        return self.metadata.namespace or CLUSTER_SCOPE

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations

    @cached_property
    def ref(self) -> ManifestRef:
        return ManifestRef(kind=self.KIND, namespace=self.namespace, name=self.name)

    @cached_property
    def uid(self) -> str:
        """The cluster's uid; for a file, one that the same kind, namespace and name always give."""
        return self.metadata.uid or _digest([self.KIND, self.namespace, self.name])

    @cached_property
    def generation(self) -> str:
        """A digest of everything that drives it: the spec, and labels and annotations (ESO's force-sync).

        Of an object of a cluster its uid too: one that was deleted and made again owns nothing of the first one's.
        """
        spec = self.model_dump(mode="json", by_alias=True, include={"spec"})
        annotations = {key: text for key, text in self.annotations.items() if not key.startswith("kubectl.")}
        return _digest([spec, self.labels, annotations, *filter(None, [self.metadata.uid])])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
