"""What is known of one kind of objects in one scope, and what every answer of the API server changes about it.

Pure: no connection, no thread, no clock. A list replaces everything that was known, so that whatever happened during
a gap shows as a difference, deletions included; an event of a watch changes one object.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Object = dict[str, Any]
Key = tuple[str, str]  # namespace ("" for a kind without one) and name
Look = tuple[Key, T | None]

DELETED = "DELETED"
BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Difference(Generic[T]):
    """One object before and after; `before` None: it came (or is looked at from now on), `after` None: it is gone."""

    key: Key
    before: T | None
    after: T | None


class Mirror(Generic[T]):
    """The objects that `keep` makes something of, by key; of the others nothing is held.

    A difference is told where what was kept is not equal to what is: `keep` decides what counts. An object that
    `keep` drops (None) is held no longer, and is not told as gone, because it is not.
    """

    def __init__(self, keep: Callable[[Object], T | None]) -> None:
        self._keep = keep
        self._held: dict[Key, T] = {}
        self._position = ""

    @property
    def position(self) -> str:
        """The resourceVersion up to which everything is known; "" before the first list."""
        return self._position

    def held(self) -> Mapping[Key, T]:
        return self._held

    def look(self, found: Object) -> Look[T]:
        """What a list has of one object: its key, and what is kept of it."""
        return key_of(found), self._keep(found)

    def replace(self, looks: Iterable[Look[T]], position: str) -> tuple[Difference[T], ...]:
        """What a whole list says, as of `position`."""
        found: dict[Key, T] = {}
        present: set[Key] = set()
        for key, kept in looks:
            present.add(key)
            if kept is not None:
                found[key] = kept
        told = tuple(self._differences(found, present))
        self._held, self._position = found, position
        return told

    def apply(self, kind: str, changed: Object) -> tuple[Difference[T], ...]:
        """One event of a watch. An event at or before what is known already is a repetition, and changes nothing."""
        version = version_of(changed)
        if not _after(version, self._position):
            return ()
        self._position = version
        if kind == BOOKMARK:
            return ()
        key = key_of(changed)
        before = self._held.get(key)
        if kind == DELETED:
            self._held.pop(key, None)
            return (Difference(key, before, None),) if before is not None else ()
        kept = self._keep(changed)
        if kept is None:
            self._held.pop(key, None)
            return ()
        self._held[key] = kept
        return (Difference(key, before, kept),) if before != kept else ()

    def _differences(self, found: dict[Key, T], present: set[Key]) -> Iterator[Difference[T]]:
        for key, before in self._held.items():
            if key not in present:
                yield Difference(key, before, None)
        for key, kept in found.items():
            known = self._held.get(key)
            if known != kept:
                yield Difference(key, known, kept)


def key_of(found: Object) -> Key:
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(found: Object) -> str:
    return str(found["metadata"].get("resourceVersion", ""))


def _after(version: str, position: str) -> bool:
    """Whether an event is newer than what is known. Versions are compared as the numbers that Kubernetes' own store
    gives them; of others only a repetition of the very last one can be told."""
    if version.isdecimal() and position.isdecimal():
        return int(version) > int(position)
    return version != position
