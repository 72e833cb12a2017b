"""Changes of a status that count already and are written in a moment, all of one status in one patch.

A change of a status is a function of what the status is: so it can be made again of what somebody else wrote meanwhile,
and the changes of one status are made in the order in which they were noted.
"""

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from events.references import ManifestRef


@dataclass(frozen=True, slots=True)
class Known:
    """One object's status, at one resourceVersion."""

    uid: str
    version: str
    generation: int
    status: Mapping[str, Any]


# What a patch of the status makes of what is known; None: nothing is to be written.
Change = Callable[[Known], Mapping[str, Any] | None]


class Noted:
    """What is noted of each manifest, by what it is about: of one subject the newest counts alone. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._changes: dict[ManifestRef, dict[Hashable, Change]] = {}
        self._applied: dict[ManifestRef, tuple[Known, Known]] = {}  # what was known, and what it will be

    def add(self, ref: ManifestRef, subject: Hashable, change: Change, known: Known) -> bool:
        """Whether there is something to write: with what was noted before, `known` may say all of it."""
        with self._guard:
            changes = self._changes.get(ref, {})
            before = _after(known, changes.values())
            patch = change(before)
            if patch is None:
                return False
            others = {about: one for about, one in changes.items() if about != subject}
            self._changes[ref] = {**others, subject: change}  # the newest comes last
            self._applied[ref] = known, replace(before, status=merged(before.status, patch))
            return True

    def of(self, ref: ManifestRef) -> tuple[Change, ...]:
        with self._guard:
            return tuple(self._changes.get(ref, {}).values())

    def done(self, ref: ManifestRef, changes: Iterable[Change]) -> None:
        """These are written; whatever was noted since stays."""
        written = set(map(id, changes))
        with self._guard:
            left = {about: one for about, one in self._changes.get(ref, {}).items() if id(one) not in written}
            self._applied.pop(ref, None)
            if left:
                self._changes[ref] = left
            else:
                self._changes.pop(ref, None)

    def applied(self, ref: ManifestRef, known: Known) -> Known:
        """The status as it will be."""
        if ref not in self._changes:
            return known
        with self._guard:
            of, after = self._applied.get(ref, (None, known))
            if of is None or (of.uid, of.version) != (known.uid, known.version):
                after = _after(known, self._changes.get(ref, {}).values())
                self._applied[ref] = known, after
            return after


def folded(known: Known, changes: Iterable[Change]) -> Mapping[str, Any] | None:
    """One patch for all of these changes, each made of what those before it leave; None where none changes anything."""
    whole: dict[str, Any] | None = None
    for change in changes:
        patch = change(known)
        if patch is not None:
            whole = _joined(whole or {}, patch)
            known = replace(known, status=merged(known.status, patch))
    return whole


def _after(known: Known, changes: Iterable[Change]) -> Known:
    patch = folded(known, changes)
    return known if patch is None else replace(known, status=merged(known.status, patch))


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of a document (RFC 7396)."""
    made = dict(document)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, Mapping):
            before = made.get(name)
            made[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            made[name] = value
    return made


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that does what two do, one after the other.

    But for an object that the first removes and the second sets: what it had before stays in it, as in one patch.
    """
    made = dict(first)
    for name, value in second.items():
        before = made.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            made[name] = _joined(before, value)
        else:
            made[name] = value
    return made
