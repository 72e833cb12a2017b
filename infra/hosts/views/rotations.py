"""Where every rotation stands: what is wired, what the record says, and when the next one is due."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from events.references import ManifestRef, PathRef, Version
from functions._failures import Reject, StepFailure
from functions._manifests.rotation import Rotation
from functions._ports import Publications, Suspensions, Wiring
from functions._rotation_facts import holding
from functions._rotations import ENDED, Record, Rotations
from functions._schedules import due

# What a record's phase says of it where there is none, or where it cannot be read.
NEVER = "never"
UNKNOWN = "unknown"


class UnknownRotation(LookupError):
    """No Rotation has this name or path; the message says what to look at."""


class RotationLookups(Protocol):
    """What the states are computed from."""

    @property
    def wiring(self) -> Wiring: ...

    @property
    def publications(self) -> Publications: ...

    @property
    def suspensions(self) -> Suspensions: ...


@dataclass(frozen=True, slots=True)
class RotationState:
    """One path that is rotated, or was. `rotation` is None where its manifest is gone and something is left to do.

    `version` is the newest confirmed one. `unknown`: why the record cannot be read now. `wrong`: why nothing is done.
    """

    path: PathRef | None
    manifest: ManifestRef
    rotation: Rotation | None = None
    record: Record | None = None
    version: Version | None = None
    due: datetime | None = None
    wrong: str = ""
    unknown: str = ""
    suspended: str = ""

    @property
    def phase(self) -> str:
        if self.record is not None:
            return self.record.phase
        return UNKNOWN if self.unknown else NEVER

    @property
    def under_way(self) -> bool:
        """Whether a rotation has begun and not ended."""
        return self.record is not None and self.record.phase not in ENDED

    @property
    def holds(self) -> str:
        """Which credential works now: old, new, both or unknown; "" where nothing is under way."""
        return holding(self.record) if self.record is not None and self.under_way else ""

    @property
    def trouble(self) -> str:
        """What keeps it from getting on, in one word or sentence; "" for nothing."""
        if self.wrong or self.unknown:
            return self.wrong or self.unknown
        if self.record is None:
            return self.suspended
        if self.record.trouble is not None:
            return self.record.trouble.reason
        return self.record.ending or self.suspended

    @property
    def trouble_in_full(self) -> str:
        """As `trouble`, with what the last try of a step said."""
        said = self.record.trouble if self.record is not None else None
        if said is None or not said.detail or self.trouble != said.reason:
            return self.trouble
        return f"{self.trouble}: {said.detail}"


def rotation_states(lookups: RotationLookups, records: Rotations) -> Iterator[RotationState]:
    """Every wired Rotation, ordered, and then every path that a rotation without manifest left unfinished."""
    seen: set[PathRef] = set()
    for rotation in sorted(lookups.wiring.rotations(), key=lambda one: str(one.ref)):
        state = rotation_state(rotation, lookups, records)
        yield state
        if state.path is not None:
            seen.add(state.path)
    try:
        left = [path for path in records.paths() if path not in seen]
    except StepFailure:
        return  # the states of what is wired say that records cannot be read
    for path in left:
        yield from _left_over(path, records)


def rotation_state(rotation: Rotation, lookups: RotationLookups, records: Rotations) -> RotationState:
    """One wired Rotation."""
    wrong = lookups.wiring.problem(rotation.ref) or ""
    try:
        path = rotation.path(lookups.wiring.mount)
    except Reject as reject:
        return RotationState(None, rotation.ref, rotation, wrong=wrong or reject.reason)
    record, unknown = _read(path, records)
    confirmed = lookups.publications.read(path)
    version = confirmed.version if confirmed else None
    return RotationState(
        path, rotation.ref, rotation, record, version,
        due=due(rotation, path, version.created) if version is not None else None,
        wrong=wrong, unknown=unknown, suspended=lookups.suspensions.reason(path, rotation.ref) or "",
    )  # fmt: skip


def select_rotation(name: str, namespace: str | None, lookups: RotationLookups, records: Rotations) -> RotationState:
    """What `namespace/name`, `Rotation/namespace/name` or `mount/path` stands for. Raises UnknownRotation."""
    text = f"{namespace}/{name}" if namespace and "/" not in name else name
    text = text.removeprefix(f"{Rotation.KIND}/")
    for rotation in lookups.wiring.rotations():
        if text == f"{rotation.namespace}/{rotation.name}":
            return rotation_state(rotation, lookups, records)
    for state in rotation_states(lookups, records):
        if state.path is not None and text == str(state.path):
            return state
    raise UnknownRotation(f"no Rotation is called {text}, or rotates such a path; `lockstep rotation list` lists them")


def of_path(path: PathRef, lookups: RotationLookups, records: Rotations) -> RotationState | None:
    """How the rotation of a path stands; None for a path that nothing rotates."""
    rotation = lookups.wiring.rotation_of_path(path)
    return rotation_state(rotation, lookups, records) if rotation is not None else None


def _left_over(path: PathRef, records: Rotations) -> Iterator[RotationState]:
    record, _ = _read(path, records)
    if record is not None and (record.phase not in ENDED or record.orphans):
        yield RotationState(path, record.manifest, record=record, version=record.promoted or record.base)


def _read(path: PathRef, records: Rotations) -> tuple[Record | None, str]:
    try:
        return records.read(path), ""
    except StepFailure as failure:
        return None, failure.reason
