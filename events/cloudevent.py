"""A CloudEvent as it travels: attributes and data bytes, whatever its type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MAX_EVENT_BYTES = 256 * 1024  # attributes and data together
MAX_NESTING = 32


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One CloudEvents 1.0 event. Attribute values are their canonical strings; `time` is RFC 3339 or None.

    Immutable, so that no two events can come to share an id through a shared attributes dict.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    data: bytes | None = None

    def extension(self, name: str) -> str | None:
        return self.extensions.get(name)

    def with_extensions(self, **values: str | None) -> "CloudEvent":
        """A copy with these extension attributes set, or removed where None."""
        merged = {**self.extensions, **{k: v for k, v in values.items() if v is not None}}
        for name, value in values.items():
            if value is None:
                merged.pop(name, None)
        return CloudEvent(
            id=self.id, source=self.source, type=self.type, subject=self.subject, time=self.time,
            datacontenttype=self.datacontenttype, dataschema=self.dataschema,
            extensions=MappingProxyType(merged), data=self.data,
        )  # fmt: skip

    def attributes(self) -> dict[str, str]:
        """All context attributes by name, as filters see them."""
        present = {
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.type,
            "subject": self.subject, "time": self.time,
            "datacontenttype": self.datacontenttype, "dataschema": self.dataschema,
        }  # fmt: skip
        return {**{k: v for k, v in present.items() if v is not None}, **self.extensions}
