"""A manifest with everything that follows from it and the stores alone; kept as long as neither changes."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from events.references import ManifestRef, PathRef, SecretRef
from functions import _templates
from functions._failures import Reject
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret, PathSearch
from functions._manifests.push_secret import PushEntry, PushSecret
from infra.wiring.checks import Labels, Stores, convention_faults, external_faults, push_faults, rotation_faults

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without it
    from functions._manifests.rotation import Rotation

DERIVED = "lockstep.dev/derived"  # annotation of a PushSecret whose source an ExternalSecret makes


@dataclass(frozen=True, slots=True)
class Placed:
    """A manifest and where it stands."""

    manifest: "PushSecret | ExternalSecret | Rotation"
    file: str
    line: int

    @property
    def ref(self) -> ManifestRef:
        return self.manifest.ref

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class ResolvedPush:
    """A PushSecret's writes. `problem` is why it may not act on its own account, None if it may."""

    placed: Placed
    push: PushSecret
    entries: dict[PathRef, tuple[PushEntry, ...]] = field(default_factory=dict)
    problem: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedExternal:
    """An ExternalSecret's reads. `problem` is why it may not act on its own account, None if it may."""

    placed: Placed
    external: ExternalSecret
    target: SecretRef
    paths: tuple[PathRef, ...] = ()
    finds: tuple[PathSearch, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedRotation:
    """What a Rotation rotates. `problem` is why it may not act on its own account, None if it may."""

    placed: Placed
    rotation: "Rotation"
    path: PathRef | None = None
    problem: str | None = None


def resolve_push(
    placed: Placed, push: PushSecret, stores: Stores, policy: ConventionPolicy, labels: Labels = None
) -> ResolvedPush:
    """Never raises: what cannot be resolved has no entries and a problem."""
    faults = push_faults(push, stores, _templates.check, labels)
    problems = [fault.message for fault in faults if fault.rule.refuses]
    breaches = tuple(fault.message for fault in convention_faults(push))
    if policy.enforced(push.namespace):
        problems += breaches
    try:
        entries = push.entries(lambda name: stores[name].mount if name in stores else None)
    except Reject as reject:
        return ResolvedPush(placed, push, problem=_joined(problems) or reject.reason, warnings=breaches)
    return ResolvedPush(placed, push, entries, _joined(problems), breaches)


def resolve_external(
    placed: Placed, external: ExternalSecret, stores: Stores, labels: Labels = None
) -> ResolvedExternal:
    """Never raises: what cannot be resolved reads nothing and has a problem."""
    faults = external_faults(external, stores, _templates.check, labels)
    problems = [fault.message for fault in faults if fault.rule.refuses]

    def mount_of(name: str) -> str | None:
        return stores[name].mount if name in stores else None

    try:
        paths, finds = external.paths(mount_of), external.finds(mount_of)
    except Reject as reject:
        return ResolvedExternal(placed, external, external.target, problem=_joined(problems) or reject.reason)
    return ResolvedExternal(placed, external, external.target, paths, finds, _joined(problems))


def resolve_rotation(placed: Placed, rotation: "Rotation", stores: Stores, labels: Labels = None) -> ResolvedRotation:
    """Never raises: what cannot be resolved rotates nothing and has a problem."""
    problems = [fault.message for fault in rotation_faults(rotation, stores, labels) if fault.rule.refuses]
    try:
        path = rotation.path(lambda name: stores[name].mount if name in stores else None)
    except Reject as reject:
        return ResolvedRotation(placed, rotation, problem=_joined(problems) or reject.reason)
    return ResolvedRotation(placed, rotation, path, _joined(problems))


def _joined(problems: list[str]) -> str | None:
    return "; ".join(dict.fromkeys(problems)) or None
