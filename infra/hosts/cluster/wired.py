"""What the watches of a cluster look at, out of the wiring and what was confirmed."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Protocol

from events.references import PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.push_secret import PushSecret
from functions._ports import Publication
from infra.sources.kubernetes_objects import SOURCE_KINDS
from infra.sources.kubernetes_watch import Place
from infra.stores.kubernetes.kinds import SOURCE_KIND
from infra.stores.kubernetes.marks import Metadata, drifted, owner_of
from infra.wiring.newest import NewestWiring

# Helm keeps whole releases in Secrets of their own, which are large and nobody's source.
FIELDS_OF_SECRETS = "type!=helm.sh/release.v1"


class Confirmed(Protocol):
    """What is asked of the publications."""

    def read(self, path: PathRef) -> Publication | None: ...

    def all(self) -> Iterator[Publication]: ...


class WiredObjects:
    """Implements infra.sources.kubernetes_watch.Wired. Manifests of observed stores are nobody's to watch."""

    def __init__(self, wiring: NewestWiring, publications: Confirmed) -> None:
        self._wiring = wiring
        self._publications = publications

    def places(self) -> Mapping[Place, frozenset[Hashable]]:
        found: dict[Place, set[Hashable]] = {}
        index = self._wiring.snapshot()
        for push in index.push_secrets():
            kind = source_kind(push)
            if kind in SOURCE_KINDS and index.mode(push.ref) != "observe":
                selector = push.spec.selector.secret
                wired = selector.name or (selector.selector.model_dump_json() if selector.selector else "")
                found.setdefault((kind, push.namespace), set()).add(wired)
        for external in index.external_secrets():
            if index.mode(external.ref) != "observe":
                found.setdefault(("Secret", external.namespace), set()).add(external.target.name)
        return {place: frozenset(wired) for place, wired in found.items()}

    def wired(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return (kind == "Secret" and self.made(ref)) or self.published(kind, ref, labels)

    def published(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        return any(source_kind(push) == kind for push in self._producers(ref, labels))

    def made(self, ref: SecretRef) -> bool:
        index = self._wiring.snapshot()
        return any(index.mode(external.ref) != "observe" for external in index.consumer_of_target(ref))

    def known(self, ref: SecretRef) -> str | None:
        states = {
            publication.sources.get(str(ref)) if publication else None
            for push in self._producers(ref, {})
            if not self._wiring.problem(push.ref)
            for path in self._paths(push)
            for publication in (self._publications.read(path),)
        }
        return states.pop() if len(states) == 1 else None

    def expected(self, kind: str, namespace: str) -> Iterable[SecretRef]:
        names = {name for publication in self._publications.all() for name in publication.sources}
        for space, name in (each.split("/", 1) for each in sorted(names)):
            ref = SecretRef(namespace=space, name=name)
            if space == namespace and self.kind_of(ref) == kind:
                yield ref

    def kind_of(self, ref: SecretRef) -> str:
        """The kind that the wired PushSecrets mean by a name (for SourcesOfKinds)."""
        return next((source_kind(push) for push in self._producers(ref, {})), "Secret")

    def _producers(self, ref: SecretRef, labels: Mapping[str, str]) -> Iterator[PushSecret]:
        index = self._wiring.snapshot()
        return (push for push in index.producers_of_source(ref, labels) if index.mode(push.ref) != "observe")

    def _paths(self, push: PushSecret) -> tuple[PathRef, ...]:
        try:
            return tuple(push.entries(self._wiring.mount))
        except Reject:
            return ()  # its problem says so


def source_kind(push: PushSecret) -> str:
    return push.annotations.get(SOURCE_KIND, "Secret")


def untouched(metadata: Metadata, manager: str = "lockstep") -> bool:
    """Whether we wrote a Secret, and nobody changed it since: its change is no news."""
    return bool(owner_of(metadata)) and not drifted(metadata, manager)
