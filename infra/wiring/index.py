"""The index of the wiring: an immutable snapshot whose look-ups cost the same for ten manifests and ten thousand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.cluster_secret_store import ClusterSecretStore, Mode
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret, PathSearch, StoreRef
from functions._manifests.paths import CLUSTER_STORE
from functions._manifests.push_secret import PushSecret, PushStoreRef
from infra.wiring.conflicts import conflicts, rotation_conflicts
from infra.wiring.finding import Finding
from infra.wiring.kinds import WiredManifest
from infra.wiring.resolved import (
    Placed,
    ResolvedExternal,
    ResolvedPush,
    ResolvedRotation,
    resolve_external,
    resolve_push,
    resolve_rotation,
)
from infra.wiring.rules import CLAIMED_TWICE

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without it
    from functions._manifests.rotation import Rotation, StoreReference


@dataclass(frozen=True, slots=True)
class Source:
    """One manifest of a file, as an index takes it."""

    manifest: "WiredManifest"
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class _SelectedBy:
    """PushSecrets of one namespace that select by label, found by one label that each of them requires."""

    labelled: dict[tuple[str, str, str], list[PushSecret]] = field(default_factory=dict)
    others: dict[str, list[PushSecret]] = field(default_factory=dict)

    def add(self, push: PushSecret) -> None:
        selector = push.spec.selector.secret.selector
        if selector is None:
            return
        if selector.match_labels:
            label, value = min(selector.match_labels.items())
            self.labelled.setdefault((push.namespace, label, value), []).append(push)
        else:
            self.others.setdefault(push.namespace, []).append(push)

    def candidates(self, namespace: str, labels: Mapping[str, str]) -> Iterator[PushSecret]:
        for label, value in labels.items():
            yield from self.labelled.get((namespace, label, value), ())
        yield from self.others.get(namespace, ())


class Index:
    """Implements the port `Wiring`. Never changes; a new one is built, taking over what did not change.

    `namespaces` are the labels of a cluster's namespaces but those being deleted, None where there is none to ask.
    `modes`: whether a store's mode counts, as it does where another controller may serve the same manifests. `former`
    are manifests that are used as they were read before, and why: what is written now cannot be read.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        findings: tuple[Finding, ...] = (),
        policy: ConventionPolicy | None = None,
        previous: "Index | None" = None,
        namespaces: Mapping[str, Mapping[str, str]] | None = None,
        modes: bool = False,
        former: Mapping[ManifestRef, Finding] | None = None,
    ) -> None:
        self.findings = findings
        self.former: Mapping[ManifestRef, Finding] = former or {}
        self._namespaces = namespaces
        self._modes = modes
        self.policy = policy or ConventionPolicy()
        self._stores: dict[str, ClusterSecretStore] = {}
        self._pushes: dict[ManifestRef, ResolvedPush] = {}
        self._externals: dict[ManifestRef, ResolvedExternal] = {}
        self._rotations: dict[ManifestRef, ResolvedRotation] = {}
        # Worked out when they are first asked for, as they are several times for each change.
        self._mounts: dict[str, str | None] = {}
        self._declared: dict[ManifestRef, Mode] = {}
        self.duplicates: list[Source] = []  # second manifests of one reference; the first one counts
        self._resolve(tuple(sources), previous)
        self._link()
        self.conflicts = (
            *conflicts(self._by_path, self._by_target, self._by_source, self.consumers_of_path, self._pushes),
            *rotation_conflicts(self._by_rotated, self._by_path),
        )
        self._problems = self._all_problems()
        self._contested = frozenset(one.ref for one in self.conflicts if one.rule is CLAIMED_TWICE)

    # --- the port -------------------------------------------------------------------------------------------------

    def push_secret(self, ref: ManifestRef) -> PushSecret | None:
        found = self._pushes.get(ref)
        return found.push if found else None

    def external_secret(self, ref: ManifestRef) -> ExternalSecret | None:
        found = self._externals.get(ref)
        return found.external if found else None

    def producers_of_source(self, ref: SecretRef, labels: Mapping[str, str]) -> tuple[PushSecret, ...]:
        named = self._by_source.get(ref, ())
        if ref.namespace not in self._selecting:
            return tuple(named)
        matching = (
            push
            for push in self._selected.candidates(ref.namespace, labels)
            if push.spec.selector.secret.selector is not None and push.spec.selector.secret.selector.matches(labels)
        )
        return (*named, *matching)

    def producers_of_path(self, path: PathRef) -> tuple[PushSecret, ...]:
        return tuple(each.push for each in self._by_path.get(path, ()))

    def consumers_of_path(self, path: PathRef) -> tuple[ExternalSecret, ...]:
        found = {each.placed.ref: each.external for each in self._readers.get(path, ())}
        if self._finders:
            for prefix in _prefixes(path.path):
                for search, external in self._finders.get((path.mount, prefix), ()):
                    if external.ref not in found and _matches(search, path):
                        found[external.ref] = external
        return tuple(found.values())

    def consumer_of_target(self, ref: SecretRef) -> tuple[ExternalSecret, ...]:
        return tuple(each.external for each in self._by_target.get(ref, ()))

    def push_secrets(self) -> Iterator[PushSecret]:
        return (each.push for each in self._pushes.values())

    def external_secrets(self) -> Iterator[ExternalSecret]:
        return (each.external for each in self._externals.values())

    def rotation(self, ref: ManifestRef) -> "Rotation | None":
        found = self._rotations.get(ref)
        return found.rotation if found else None

    def rotation_of_path(self, path: PathRef) -> "Rotation | None":
        found = self._by_rotated.get(path, ())
        return found[0].rotation if len(found) == 1 else None

    def rotations(self) -> "Iterator[Rotation]":
        return (each.rotation for each in self._rotations.values())

    def mount(self, store: str) -> str | None:
        if store not in self._mounts:
            found = self._stores.get(store)
            if found is None:
                return None
            self._mounts[store] = found.mount
        return self._mounts[store]

    def mode(self, ref: ManifestRef) -> Mode:
        """Who writes what a manifest asks: of several stores the most cautious counts.

        One that is not there, or no ClusterSecretStore, is for others to serve.
        """
        return self.declared_mode(ref) if self._modes else "own"

    def declared_mode(self, ref: ManifestRef) -> Mode:
        """What its stores say, whether or not that counts here."""
        known = self._declared.get(ref)
        if known is None:
            known = self._declared_by_stores(ref)
            if ref in self._pushes or ref in self._externals or ref in self._rotations:
                self._declared[ref] = known
        return known

    def _declared_by_stores(self, ref: ManifestRef) -> Mode:
        push, external, rotation = self.push_secret(ref), self.external_secret(ref), self.rotation(ref)
        refs: tuple[StoreRef | PushStoreRef | StoreReference, ...] = push.spec.secret_store_refs if push else ()
        refs = external.store_refs if external else refs
        refs = (rotation.spec.secret_store_ref,) if rotation else refs
        stores = [self._stores.get(each.name) if each.kind == CLUSTER_STORE else None for each in refs]
        return min((store.mode if store else "observe" for store in stores), key=_caution, default="observe")

    def gone(self, namespace: str) -> bool:
        return self._namespaces is not None and namespace not in self._namespaces

    def complete(self) -> bool:
        empty = not (self._pushes or self._externals or self._rotations or self._stores)
        return not (self.findings or self.duplicates or empty)

    def problem(self, ref: ManifestRef) -> str | None:
        return self._problems.get(ref)

    # --- for status and lint --------------------------------------------------------------------------------------

    @property
    def stores(self) -> Mapping[str, ClusterSecretStore]:
        return self._stores

    def problems(self) -> Mapping[ManifestRef, str]:
        """Every manifest that may not act, and why."""
        return self._problems

    def warnings(self) -> Iterator[tuple[ManifestRef, str]]:
        """Conventions that are not kept where they are not enforced."""
        for ref, each in self._pushes.items():
            for message in each.warnings if not self.policy.enforced(ref.namespace) else ():
                yield ref, message

    def __len__(self) -> int:
        """How many manifests there are."""
        return len(self._pushes) + len(self._externals) + len(self._rotations) + len(self._stores)

    def generations(self) -> dict[ManifestRef, str]:
        """Every manifest with the digest of what drives it."""
        found = {ref: each.push.generation for ref, each in self._pushes.items()}
        found |= {ref: each.external.generation for ref, each in self._externals.items()}
        found |= {ref: each.rotation.generation for ref, each in self._rotations.items()}
        return found | {store.ref: store.generation for store in self._stores.values()}

    def disputed(self, ref: ManifestRef) -> bool:
        """Whether it may not act, or not at a path that another names too: where that ends, it is to be looked at."""
        return ref in self._problems or ref in self._contested

    def claimed_twice(self) -> Iterator[tuple[PathRef, tuple[PushSecret, ...]]]:
        """The paths that several PushSecrets name."""
        for path, pushes in self._by_path.items():
            if len(pushes) > 1:
                yield path, tuple(each.push for each in pushes)

    def selects_labels(self, namespace: str) -> bool:
        """Whether a PushSecret of this namespace selects its sources by label."""
        return namespace in self._selecting

    def pushes(self) -> Iterator[ResolvedPush]:
        return iter(self._pushes.values())

    def externals(self) -> Iterator[ResolvedExternal]:
        return iter(self._externals.values())

    def rotations_of_path(self, path: PathRef) -> "tuple[Rotation, ...]":
        """All that want to rotate the path, at odds or not."""
        return tuple(each.rotation for each in self._by_rotated.get(path, ()))

    def rotated(self) -> Iterator[ResolvedRotation]:
        return iter(self._rotations.values())

    # --- building -------------------------------------------------------------------------------------------------

    def _resolve(self, sources: tuple[Source, ...], previous: "Index | None") -> None:
        for source in sources:
            if isinstance(source.manifest, ClusterSecretStore):
                self._note_duplicate(source, source.manifest.name in self._stores)
                self._stores.setdefault(source.manifest.name, source.manifest)
        # What was resolved holds as long as the manifest is the same object beneath the same stores and policy.
        reusable = previous is not None and previous._stores == self._stores and previous.policy == self.policy
        kept = previous if reusable else None
        for source in sources:
            manifest = source.manifest
            if isinstance(manifest, PushSecret):
                self._note_duplicate(source, manifest.ref in self._pushes)
                self._pushes.setdefault(manifest.ref, self._resolved_push(source, manifest, kept))
            elif isinstance(manifest, ExternalSecret):
                self._note_duplicate(source, manifest.ref in self._externals)
                self._externals.setdefault(manifest.ref, self._resolved_external(source, manifest, kept))
            elif manifest.kind == "Rotation":
                self._note_duplicate(source, manifest.ref in self._rotations)
                self._rotations.setdefault(manifest.ref, self._resolved_rotation(source, manifest, kept))

    def _note_duplicate(self, source: Source, seen: bool) -> None:
        if seen:
            self.duplicates.append(source)

    def _resolved_push(self, source: Source, push: PushSecret, kept: "Index | None") -> ResolvedPush:
        before = kept._pushes.get(push.ref) if kept else None
        if before is not None and before.push is push and self._same_labels(push.namespace, kept):
            return before
        placed = Placed(push, source.file, source.line)
        return resolve_push(placed, push, self._stores, self.policy, self._labels(push.namespace))

    def _resolved_external(self, source: Source, external: ExternalSecret, kept: "Index | None") -> ResolvedExternal:
        before = kept._externals.get(external.ref) if kept else None
        if before is not None and before.external is external and self._same_labels(external.namespace, kept):
            return before
        placed = Placed(external, source.file, source.line)
        return resolve_external(placed, external, self._stores, self._labels(external.namespace))

    def _resolved_rotation(self, source: Source, rotation: "Rotation", kept: "Index | None") -> ResolvedRotation:
        before = kept._rotations.get(rotation.ref) if kept else None
        if before is not None and before.rotation is rotation and self._same_labels(rotation.namespace, kept):
            return before
        placed = Placed(rotation, source.file, source.line)
        return resolve_rotation(placed, rotation, self._stores, self._labels(rotation.namespace))

    def _labels(self, namespace: str) -> Mapping[str, str] | None:
        return None if self._namespaces is None else self._namespaces.get(namespace, {})

    def _same_labels(self, namespace: str, kept: "Index | None") -> bool:
        return kept is not None and self._labels(namespace) == kept._labels(namespace)

    def _link(self) -> None:
        self._by_source: dict[SecretRef, list[PushSecret]] = {}
        self._selected = _SelectedBy()
        self._selecting: set[str] = set()
        self._by_path: dict[PathRef, list[ResolvedPush]] = {}
        self._readers: dict[PathRef, list[ResolvedExternal]] = {}
        self._finders: dict[tuple[str, str], list[tuple[PathSearch, ExternalSecret]]] = {}
        self._by_target: dict[SecretRef, list[ResolvedExternal]] = {}
        self._by_rotated: dict[PathRef, list[ResolvedRotation]] = {}
        for pushed in self._pushes.values():
            source = pushed.push.source
            if source is not None:
                self._by_source.setdefault(source, []).append(pushed.push)
            elif pushed.push.spec.selector.secret.selector is not None:
                self._selected.add(pushed.push)
                self._selecting.add(pushed.push.namespace)
            for path in pushed.entries:
                self._by_path.setdefault(path, []).append(pushed)
        for pulled in self._externals.values():
            self._by_target.setdefault(pulled.target, []).append(pulled)
            for path in pulled.paths:
                self._readers.setdefault(path, []).append(pulled)
            for search in pulled.finds:
                self._finders.setdefault((search.mount, search.prefix), []).append((search, pulled.external))
        for rotated in self._rotations.values():
            if rotated.path is not None:
                self._by_rotated.setdefault(rotated.path, []).append(rotated)

    def _all_problems(self) -> dict[ManifestRef, str]:
        found: dict[ManifestRef, list[str]] = {}
        for pushed in self._pushes.values():
            if pushed.problem:
                found.setdefault(pushed.placed.ref, []).append(pushed.problem)
        for pulled in self._externals.values():
            if pulled.problem:
                found.setdefault(pulled.placed.ref, []).append(pulled.problem)
        for rotated in self._rotations.values():
            if rotated.problem:
                found.setdefault(rotated.placed.ref, []).append(rotated.problem)
        for ref in (*self._pushes, *self._externals, *self._rotations):
            if (mode := self.mode(ref)) != "own" and ref not in found:
                found[ref] = [_LEFT[mode]]
        for second in self.duplicates:
            found.setdefault(second.manifest.ref, []).append(f"stands again in {second.file}:{second.line}; keep one")
        for conflict in (each for each in self.conflicts if each.refuses):
            found.setdefault(conflict.ref, []).append(conflict.message)
        return {ref: "; ".join(messages) for ref, messages in found.items()}


_LEFT: dict[Mode, str] = {
    "observe": "its store is observed: nothing is written until spec.controller of the ClusterSecretStore is lockstep",
    "assist": "its store is served by another controller, which is hastened: nothing is written from here",
}
_CAUTIOUS: tuple[Mode, ...] = ("observe", "assist", "own")


def _caution(mode: Mode) -> int:
    return _CAUTIOUS.index(mode)


def _prefixes(path: str) -> Iterator[str]:
    """The searches' prefixes that a path may lie below: "" and every folder above it."""
    yield ""
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)


def _matches(search: PathSearch, path: PathRef) -> bool:
    try:
        return search.matches(path)
    except Reject:
        return False  # its manifest carries the problem already
