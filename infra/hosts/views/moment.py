"""One moment of what is known locally, read at once: a question about every path asks the database twice, not often."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from events.references import ManifestRef, PathRef, SecretRef
from functions._ports import Publication, Publications, SourceSecrets, Suspensions, TargetSecrets
from infra.hosts.views.pipeline import Lookups


class AllPublications(Publications, Protocol):
    """`Publications` that can be listed."""

    def all(self) -> Iterable[Publication]: ...


class AllSuspensions(Suspensions, Protocol):
    """`Suspensions` that can be listed."""

    def all(self) -> tuple[object, ...]: ...


class Followed(Protocol):
    """What knows Secrets without asking for them (infra.hosts.platform)."""

    @property
    def known_sources(self) -> SourceSecrets: ...

    @property
    def known_targets(self) -> TargetSecrets: ...


def at_once(lookups: Lookups, publications: AllPublications, suspensions: AllSuspensions) -> Lookups:
    """The same look-ups, over publications and suspensions as they are now."""
    known = _Known({publication.path: publication for publication in publications.all()}, publications)
    return replace(lookups, publications=known, suspensions=suspensions if suspensions.all() else _NothingSuspended())


def known(lookups: Lookups, platform: Followed) -> Lookups:
    """The same look-ups, over Secrets as the platform's watches told of them last: none is asked for."""
    return replace(lookups, sources=platform.known_sources, targets=platform.known_targets)


@dataclass(frozen=True, slots=True)
class _Known:
    """`Publications`; what is written goes to the real ones, though nobody who looks writes."""

    found: Mapping[PathRef, Publication]
    real: Publications

    def read(self, path: PathRef) -> Publication | None:
        return self.found.get(path)

    def record(self, publication: Publication) -> None:
        self.real.record(publication)

    def forget(self, path: PathRef) -> None:
        self.real.forget(path)


class _NothingSuspended:
    """`Suspensions` of a moment at which there are none."""

    def reason(self, *references: SecretRef | PathRef | ManifestRef) -> str | None:
        del references
        return None
