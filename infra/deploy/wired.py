"""What the manifests name, as permissions in Kubernetes are bound to it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from events.references import ManifestRef, PathRef, SecretRef
from functions._capability import Capability
from functions._failures import Reject
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation_target import RotationTarget
from functions._marks import SOURCE_KIND
from infra.deploy.engine_rules import authority_rules
from infra.deploy.vault_policies import WiredPaths
from infra.wiring.index import Index

SECRETS = "secrets"
SOURCE_RESOURCES = {"Secret": SECRETS, "ConfigMap": "configmaps", "Service": "services"}


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """An object that a PushSecret names, by its resource (`secrets`, `configmaps`, `services`)."""

    namespace: str
    resource: str
    name: str


@dataclass(frozen=True, slots=True)
class WiredObjects:
    """Namespaces and names. `retiring` are targets that are no longer wired, but still to be retracted."""

    sources: frozenset[Source] = frozenset()
    selecting: frozenset[str] = frozenset()  # namespaces in which a PushSecret selects its sources by label
    targets: frozenset[SecretRef] = frozenset()
    retiring: frozenset[SecretRef] = frozenset()
    pushes: frozenset[ManifestRef] = frozenset()
    externals: frozenset[ManifestRef] = frozenset()
    rotations: frozenset[ManifestRef] = frozenset()
    systems: frozenset[str] = frozenset()  # RotationTargets, by name: those that are declared, and that Rotations name
    assisted: frozenset[ManifestRef] = frozenset()  # those that another controller serves, and is hastened to

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that holds something wired, ordered."""
        named: set[str] = {each.namespace for each in self.sources} | set(names(self.targets | self.retiring))
        return tuple(sorted(named | self.selecting | set(names(self.pushes | self.externals | self.rotations))))


@dataclass(frozen=True, slots=True)
class Wired:
    """All that permissions are bound to: at the authority and in the cluster. `manifests` is how many there are."""

    paths: WiredPaths
    objects: WiredObjects
    manifests: int = 0


MayAct = Callable[[ManifestRef], bool]


def _anybody(ref: ManifestRef) -> bool:
    return True


def wired(
    index: Index, former: Index | None = None, may_act: MayAct = _anybody, *, declared: Iterable[RotationTarget] = ()
) -> Wired:
    """What an index names, but for the manifests that may not act; `declared` are the platform's systems.

    What a `former` index named and this one does not is still to be retracted.
    """
    declared = tuple(declared)
    before = wired_paths(former, (), may_act).produced if former else frozenset()
    paths = wired_paths(index, before, may_act, declared=declared)
    systems = {target.name for target in declared}
    return Wired(paths, _objects(index, former, may_act, systems), len(index))


def wired_paths(
    index: Index, retiring: Iterable[PathRef], may_act: MayAct = _anybody, *, declared: Iterable[RotationTarget] = ()
) -> WiredPaths:
    """What the manifests name at the authority, as policies are bound to it; `declared` are the platform's systems."""
    declared = tuple(declared)
    pushes = [push for push in index.pushes() if may_act(push.placed.ref)]
    externals = [external for external in index.externals() if may_act(external.placed.ref)]
    return WiredPaths(
        produced=frozenset(path for push in pushes for path in push.entries),
        consumed=frozenset(path for external in externals for path in external.paths),
        retiring=frozenset(retiring),
        searched=frozenset((find.mount, find.prefix) for external in externals for find in external.finds),
        rotated=frozenset(each.path for each in index.rotated() if each.path and may_act(each.placed.ref)),
        admin=frozenset(_admin_paths(declared, index)),
        engines=frozenset(_engine_rules(declared, index, may_act)),
    )


def _engine_rules(
    declared: Iterable[RotationTarget], index: Index, may_act: MayAct
) -> Iterator[tuple[Capability, str, str]]:
    """What targets that are engines of the authority take, for the accounts that Rotations name and they allow."""
    for target in declared:
        accounts = {
            account
            for each in index.rotated()
            if each.rotation.spec.target.name == target.name and may_act(each.placed.ref)
            for account in each.rotation.spec.target.names
            if target.refusal(each.rotation.namespace, (account,)) is None
        }
        with suppress(Reject):  # of no type that is known, or with wrong parameters: lint and `status` say so
            for capability, rules in authority_rules(target, accounts):
                yield from ((capability, pattern, verb) for pattern, verbs in rules.items() for verb in verbs)


def _admin_paths(declared: Iterable[RotationTarget], index: Index) -> Iterator[PathRef]:
    for target in declared:
        if target.spec.admin is not None:
            with suppress(Reject):  # a store that is not there: opening the target says so
                yield target.spec.admin.path(index.mount)


def _objects(index: Index, former: Index | None, may_act: MayAct, declared: Iterable[str]) -> WiredObjects:
    targets = frozenset(_targets(index, may_act))
    pushes = [push for push in index.push_secrets() if may_act(push.ref)]
    return WiredObjects(
        sources=frozenset(_sources(pushes)),
        selecting=frozenset(push.namespace for push in pushes if push.source is None),
        targets=targets,
        retiring=frozenset(_targets(former, may_act)) - targets if former else frozenset(),
        pushes=frozenset(push.ref for push in pushes),
        externals=frozenset(external.ref for external in index.external_secrets() if may_act(external.ref)),
        rotations=frozenset(rotation.ref for rotation in index.rotations() if may_act(rotation.ref)),
        systems=frozenset(declared).union(each.spec.target.name for each in index.rotations() if may_act(each.ref)),
        assisted=frozenset(ref for ref in _distributing(index) if index.declared_mode(ref) == "assist"),
    )


def _distributing(index: Index) -> Iterator[ManifestRef]:
    yield from (push.ref for push in index.push_secrets())
    yield from (external.ref for external in index.external_secrets())


def names(objects: Iterable[Source | SecretRef | ManifestRef]) -> dict[str, frozenset[str]]:
    """Names by namespace."""
    found: dict[str, set[str]] = {}
    for each in objects:
        found.setdefault(each.namespace, set()).add(each.name)
    return {namespace: frozenset(found[namespace]) for namespace in sorted(found)}


def _targets(index: Index, may_act: MayAct) -> Iterator[SecretRef]:
    return (external.target for external in index.externals() if may_act(external.placed.ref))


def _sources(pushes: Iterable[PushSecret]) -> Iterator[Source]:
    for push in pushes:
        resource = SOURCE_RESOURCES.get(push.annotations.get(SOURCE_KIND, "Secret"))
        if push.source is not None and resource is not None:
            yield Source(push.namespace, resource, push.source.name)
