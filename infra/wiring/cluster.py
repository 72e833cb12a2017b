"""The wiring as objects of a cluster: External Secrets Operator's own kinds, followed and put into one snapshot."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from events.references import ManifestRef
from functions._manifests.cluster_external_secret import ClusterExternalSecret
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed, Feed, Informer, Notice
from infra.kubernetes.mirror import Difference, Object
from infra.kubernetes.resources import (
    CLUSTER_EXTERNAL_SECRETS,
    CLUSTER_SECRET_STORES,
    EXTERNAL_SECRETS,
    NAMESPACES,
    PUSH_SECRETS,
    ROTATIONS,
    Resource,
)
from infra.wiring import rules
from infra.wiring.cluster_objects import ClusterManifest, Held, Reading
from infra.wiring.cluster_targets import OWN_KINDS
from infra.wiring.directory import Change, changes
from infra.wiring.finding import Finding, Rule
from infra.wiring.index import Index, Source
from infra.wiring.newest import NewestWiring
from infra.wiring.served import MISSING, Served, copied

KIND_MISSING = Rule(
    "LS009", "kind-not-served", "error", "DESIGN, deletion", "The cluster does not serve a kind of the wiring.",
    "Apply External Secrets Operator's CRDs, unmodified (deploy/crds/bundle.yaml of its release, or its chart).",
)  # fmt: skip
NOT_FOLLOWED = Rule(
    "LS008", "not-followed", "error", "DESIGN, deletion", "A kind of the wiring cannot be followed now.",
    "Give the watching ServiceAccount get, list and watch on it, or see the API server.",
)  # fmt: skip
_LOOK = 0.02  # seconds between looks at whether all are ready


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace of the cluster. `leaving`: it is being deleted."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of the wiring, in the versions of its API that are understood, the newest first."""

    model: type[ClusterManifest]
    resource: Resource
    older: tuple[str, ...] = ()
    needed: bool = True
    mend: str = KIND_MISSING.mend

    @property
    def resources(self) -> tuple[Resource, ...]:
        one = self.resource
        return (one, *(Resource(one.group, v, one.plural, one.kind, one.namespaced) for v in self.older))


_KINDS = (
    _Kind(ClusterSecretStore, CLUSTER_SECRET_STORES, ("v1beta1",)),
    _Kind(PushSecret, PUSH_SECRETS),
    _Kind(ExternalSecret, EXTERNAL_SECRETS, ("v1beta1",)),
    _Kind(ClusterExternalSecret, CLUSTER_EXTERNAL_SECRETS, ("v1beta1",), needed=False),
    _Kind(Rotation, ROTATIONS, needed=False, mend=OWN_KINDS),
)


def cluster_feeds(api: Api) -> Callable[[Resource], Feed]:
    """What a ClusterWiring follows, over the API client. Of namespaces it asks for metadata alone."""
    return lambda resource: ApiFeed(api, resource, metadata_only=resource == NAMESPACES)


class ClusterWiring(NewestWiring):
    """Implements the port `Wiring` over the newest snapshot; `reload` makes the next one of what the watches told.

    `changed` is called from their threads, soon and often: whoever hears it calls `reload`. A kind that is not served,
    or cannot be followed, keeps contributing what was last known of it, with a finding and `complete()` False, so that
    nothing is retracted for it; the rest works. `guard` says why a store may not be used at all, `refused` why a
    manifest may not act. Modes of stores count.
    """

    def __init__(
        self, feed: Callable[[Resource], Feed], *, changed: Callable[[], None] = lambda: None,
        policy: ConventionPolicy | None = None, guard: Callable[[ClusterSecretStore], str | None] = lambda _: None,
        refused: Callable[[Index, ManifestRef], str | None] = lambda _, __: None, notice: Notice = lambda _: None,
    ) -> None:  # fmt: skip
        self._refused = refused
        self._policy = policy or ConventionPolicy()
        self._guard = guard
        self._changed = changed
        self._index = Index((), policy=self._policy)
        self._reloading = threading.Lock()
        self._turn = 0
        self._built = -1
        self._served: dict[_Kind, Served] = {}
        self._kinds = {kind: self._informer(kind, feed, notice) for kind in _KINDS}
        self._spaces = Informer(feed(NAMESPACES), _namespace, self._told, name="Namespace", notice=notice)

    def start(self) -> None:
        for informer in self._informers():
            informer.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End all threads. Raises TimeoutError where `changed` does not return."""
        deadline = time.monotonic() + timeout
        for informer in self._informers():
            informer.stop(max(0.0, deadline - time.monotonic()))

    def alive(self) -> bool:
        return all(informer.alive() for informer in self._informers())

    def wait_ready(self, timeout: float) -> bool:
        """Whether all that can be listed was, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not all(one.wait_ready(0) or one.last_error for one in self._informers()):
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK)
        return True

    @property
    def last_error(self) -> str | None:
        return next((one.last_error for one in self._informers() if one.last_error), None)

    def reload(self, prepare: Callable[[Index], object] = lambda _: None) -> tuple[Change, ...]:
        """Make a snapshot of what is known now, and say what is different (at first: everything is added).

        `prepare` sees the new snapshot before anybody else does; where it raises, the old one stays.
        """
        with self._reloading:
            turn, before = self._turn, self._index
            if turn == self._built:
                return ()
            spaces = {name: space.labels for name, space in self.namespaces().items() if not space.leaving}
            held = {kind: copied(informer) for kind, informer in self._kinds.items()}
            after = Index(
                _sources(held, spaces), findings=tuple(_refusals(held)), policy=self._policy, previous=before,
                namespaces=spaces if self._spaces.wait_ready(0) else None, modes=True,
                former=dict(_former(held, spaces)),
            )  # fmt: skip
            prepare(after)
            self._index, self._built = after, turn
            return tuple(changes(before, after))

    def gone(self, namespace: str) -> bool:
        return self._spaces.last_error is None and super().gone(namespace)

    def complete(self) -> bool:
        return not any(self.troubles()) and self._index.complete()

    def troubles(self) -> Iterator[Finding]:
        """Kinds that cannot be followed at this moment; the snapshot's own findings come beside them."""
        followed = [(NAMESPACES.kind, True, self._spaces)]
        followed += [(k.model.KIND, k.needed or self._served[k].seen, one) for k, one in self._kinds.items()]
        for name, needed, informer in followed:
            error = informer.last_error
            if error is not None and MISSING in error:
                if needed:
                    yield Finding(KIND_MISSING, name, 0, error)
            elif error is not None:
                yield Finding(NOT_FOLLOWED, name, 0, error)
            elif not informer.wait_ready(0):
                yield Finding(NOT_FOLLOWED, name, 0, "is not listed yet")

    def problem(self, ref: ManifestRef) -> str | None:
        found = self._index.problem(ref) or self._refused(self._index, ref)
        if found:
            return found
        manifest = self._index.push_secret(ref) or self._index.external_secret(ref) or self._index.rotation(ref)
        for name in manifest.stores if manifest is not None else ():
            store = self._index.stores.get(name)
            if store is not None and (reason := self._guard(store)):
                return reason
        return None

    # --- what else is known of the objects ---------------------------------------------------------------------------

    def held(self, ref: ManifestRef) -> Held | None:
        """The newest that was heard of an object: its uid, version and status."""
        kind = next((kind for kind in _KINDS if ref.kind == kind.model.KIND), None)
        if kind is None:
            return None
        return self._kinds[kind].held().get(("" if ref.namespace == "-" else ref.namespace, ref.name))

    def uid_of(self, ref: ManifestRef) -> str | None:
        """The uid of an object of the cluster; None for one that a ClusterExternalSecret stands for."""
        held = self.held(ref)
        return held.uid if held is not None else None

    def namespace(self, name: str) -> Namespace | None:
        return self._spaces.held().get(("", name))

    def namespaces(self) -> dict[str, Namespace]:
        return {key[1]: space for key, space in copied(self._spaces).items()}

    # --- inside ------------------------------------------------------------------------------------------------------

    def _informers(self) -> Iterator[Informer[Any]]:
        yield self._spaces
        yield from self._kinds.values()

    def _informer(self, kind: _Kind, feed: Callable[[Resource], Feed], notice: Notice) -> Informer[Held]:
        def before(key: tuple[str, str]) -> Held | None:
            return informer.held().get(key)

        reading = Reading(kind.model, kind.resource.api_version, before)
        self._served[kind] = Served(kind.resources, [feed(resource) for resource in kind.resources], kind.mend)
        informer: Informer[Held] = Informer(
            self._served[kind], reading, self._told, name=kind.model.KIND, notice=notice
        )
        return informer

    def _told(self, _: tuple[Difference[Any], ...]) -> None:
        self._turn += 1  # whoever misses one of two sees the other: `changed` comes after both
        self._changed()


def _namespace(found: Object) -> Namespace:
    metadata = found["metadata"]
    return Namespace(
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        leaving=metadata.get("deletionTimestamp") is not None,
    )


def _sources(
    held: Mapping[_Kind, Mapping[tuple[str, str], Held]], spaces: Mapping[str, Mapping[str, str]]
) -> Iterator[Source]:
    """Every manifest; what a ClusterExternalSecret stands for where no object of the cluster has its name."""
    known: set[ManifestRef] = set()
    for kind in _KINDS:
        for _, one in sorted(held[kind].items()):
            manifest = one.manifest
            if manifest is None or one.leaving:
                continue
            if isinstance(manifest, ClusterExternalSecret):
                for made in manifest.expand(spaces):
                    if made.ref not in known:
                        known.add(made.ref)
                        yield Source(made, f"ClusterExternalSecret {manifest.name}", 0)
            elif not isinstance(manifest, RotationTarget):
                known.add(manifest.ref)
                yield Source(manifest, "the cluster", 0)


def _refusals(held: Mapping[_Kind, Mapping[tuple[str, str], Held]]) -> Iterator[Finding]:
    """Objects that cannot be read and may be ours: those of stores that others serve are theirs to judge."""
    stores = {name: one for (_, name), one in held[_KINDS[0]].items()}
    for kind in _KINDS:
        for (namespace, name), one in sorted(held[kind].items()):
            if one.refusal and (kind is _KINDS[0] or any(_owned(stores.get(store)) for store in one.stores)):
                yield _refusal(kind, namespace, name, one)


def _refusal(kind: _Kind, namespace: str, name: str, held: Held) -> Finding:
    ref = ManifestRef(kind=kind.model.KIND, namespace=namespace or "-", name=name)
    return Finding(rules.INVALID, str(ref), 0, held.refusal, ref)


def _former(
    held: Mapping[_Kind, Mapping[tuple[str, str], Held]], spaces: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[ManifestRef, Finding]]:
    """The manifests that are used as they were before their objects became unreadable."""
    for kind in _KINDS:
        for (namespace, name), one in held[kind].items():
            if not one.refusal or one.manifest is None or one.leaving:
                continue
            finding = _refusal(kind, namespace, name, one)
            manifest = one.manifest
            made = manifest.expand(spaces) if isinstance(manifest, ClusterExternalSecret) else (manifest,)
            yield from ((each.ref, finding) for each in made)


def _owned(store: Held | None) -> bool:
    return store is not None and isinstance(store.manifest, ClusterSecretStore) and store.manifest.mode == "own"
