"""Fakes of what is known locally: publications, access, suspensions, the ledger's anchor."""

from collections.abc import Callable
from dataclasses import dataclass, field

from events.references import ManifestRef, PathRef, SecretRef
from functions._ports import Publication


class FakePublications:
    """Confirmed versions in a dict."""

    def __init__(self) -> None:
        self.known: dict[PathRef, Publication] = {}
        self.before: Callable[[str, PathRef], None] | None = None
        self.after: Callable[[str, PathRef], None] | None = None

    def read(self, path: PathRef) -> Publication | None:
        self._hook(self.before, "read", path)
        return self.known.get(path)

    def record(self, publication: Publication) -> None:
        self._hook(self.before, "record", publication.path)
        known = self.known.get(publication.path)
        if known is None or publication.version.number >= known.version.number:
            self.known[publication.path] = publication
        self._hook(self.after, "record", publication.path)

    def forget(self, path: PathRef) -> None:
        self._hook(self.before, "forget", path)
        self.known.pop(path, None)
        self._hook(self.after, "forget", path)

    @staticmethod
    def _hook(hook: Callable[[str, PathRef], None] | None, operation: str, path: PathRef) -> None:
        if hook is not None:
            hook(f"publications.{operation}", path)


@dataclass
class FakeAccess:
    """Everything is allowed but what a test denies: (namespace, str(path))."""

    denied_publish: set[tuple[str, str]] = field(default_factory=set)
    denied_read: set[tuple[str, str]] = field(default_factory=set)

    def may_publish(self, namespace: str, path: PathRef) -> bool:
        return (namespace, str(path)) not in self.denied_publish

    def may_read(self, namespace: str, path: PathRef) -> bool:
        return (namespace, str(path)) not in self.denied_read


@dataclass
class FakeSuspensions:
    """Suspended subjects, and a switch for all."""

    subjects: dict[str, str] = field(default_factory=dict)
    everything: str = ""

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        if self.everything:
            return self.everything
        return next((self.subjects[r.subject] for r in references if r.subject in self.subjects), None)


@dataclass
class FakeLedger:
    """Counts how often it was anchored."""

    anchored: int = 0

    def anchor(self) -> None:
        self.anchored += 1
