"""What a rehearsal found: what the steps would write, by key names only, and what keeps them from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from events.references import PathRef, SecretRef, Version
from functions._values import SecretValue

Action = Literal["claim", "take over", "release", "write", "create", "update", "delete", "delete versions"]


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Names of keys. Nothing here is made of a value."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Change:
    """One write that a step would make."""

    step: str
    action: Action
    target: PathRef | SecretRef
    keys: KeyChanges = KeyChanges()
    base: Version | None = None  # of a path: what it holds now
    note: str = ""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What a step would refuse or wait for: `kind` is `reject`, `retry`, `conflict`, `held`, `suspended` or `waiting`.

    Of the step `wiring`, which is none, it is a hindrance's (views.hindrances).
    """

    step: str
    about: str
    kind: str
    reason: str


def compare(before: Mapping[str, SecretValue] | None, after: Mapping[str, SecretValue]) -> KeyChanges:
    """Which keys differ; values are compared, and not kept."""
    known = before or {}
    return KeyChanges(
        added=_names(key for key in after if key not in known),
        changed=_names(key for key in after if key in known and known[key] != after[key]),
        removed=_names(key for key in known if key not in after),
        same=_names(key for key in after if key in known and known[key] == after[key]),
    )


def _names(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(keys))
