"""What is wrong, where, and how to mend it."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from events.references import ManifestRef

Severity = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, declared once. `refuses`: a manifest that breaks it does not act."""

    id: str
    name: str
    severity: Severity
    paragraph: str  # of seed 001, or the rule of the design it comes from
    title: str
    mend: str
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule broken at a place within one manifest (keys and positions as YAML has them)."""

    rule: Rule
    place: tuple[Hashable, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule broken on a line of a file. `manifest`: by what could not be read there, where its name could."""

    rule: Rule
    file: str
    line: int
    message: str
    manifest: ManifestRef | None = None

    @property
    def mend(self) -> str:
        return self.rule.mend

    @property
    def severity(self) -> Severity:
        return self.rule.severity

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.severity} {self.rule.id} {self.message}"
