"""`Leaks` as documents `lockstep/leaks/<id>`; `lockstep/leaking/<sha256 of str(path)>` names those about a path, those
that are open and the newest that were contained.

Not by cluster: a secret that is out is out for all that share the authority.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from events.leak import Exposure
from events.references import PathRef, Version
from functions._failures import Conflict, Reject
from functions._leaks import SETTLED, Happened, Happening, Leak, Match, State
from infra.stores.vault.documents import MOUNT, RESTORE, SCHEMA, kept, name_of, number, parsed, text, texts, time
from infra.stores.vault.kv import KvEngine, KvVersion

_DIRECTORY, _BY_PATH = "leaks", "leaking"
_ID = re.compile(r"[0-9a-f]{32}")
_STATES: tuple[State, ...] = ("reported", "confirmed", "dismissed", "contained")
_MATCHES: tuple[Match, ...] = ("", "path", "fingerprint", "operator")
_HAPPENED: tuple[Happened, ...] = (
    "reported", "resolved", "mapped", "held", "confirmed", "dismissed", "requested", "attested", "revoked", "contained",
    "joined", "stopped",
)  # fmt: skip
_ATTEMPTS = 8
_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class _About:
    """The document of a path: which findings are open about it, which were contained, oldest first."""

    open: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()


class VaultLeaks:
    """A revision is the document's version."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT) -> None:
        self._engine = engine
        self._mount = mount
        # What was read of paths, for who is about to change it: should it be old, compare-and-set tells.
        self._read: dict[PathRef, tuple[_About, int]] = {}

    def ids(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._engine.list(self._mount, _DIRECTORY) if _ID.fullmatch(name)))

    def read(self, leak: str) -> Leak | None:
        found = self._engine.read(self._mount, _name(leak))
        return kept(f"the record of leak {leak}", found, _leak, lambda record: record.id, leak, mend=RESTORE)

    def write(self, leak: Leak) -> Leak:
        try:
            written = self._engine.write(self._mount, _name(leak.id), _document(leak), leak.revision)
        except Conflict:
            left = self._engine.read(self._mount, _name(leak.id)) if leak.revision == 0 else None
            if left is None or left.data is not None:
                raise Conflict(f"the record of leak {leak.id} changed since it was read; read it again") from None
            written = self._engine.write(self._mount, _name(leak.id), _document(leak), left.number)  # deleted by people
        return replace(leak, revision=written.number)

    def remove(self, leak: Leak) -> None:
        name = _name(leak.id)
        self._engine.delete(self._mount, name, (leak.revision,))
        left = self._engine.metadata(self._mount, name)
        if left is None:
            return
        if left.newest != leak.revision:
            raise Conflict(f"the record of leak {leak.id} changed since it was read; read it again")
        self._engine.delete_metadata(self._mount, name)

    def of_path(self, path: PathRef) -> tuple[str, ...]:
        return self._noted(path, self._about(path))

    @contextmanager
    def reading_of_path(self, path: PathRef) -> Iterator[Callable[[], tuple[str, ...]]]:
        with self._engine.reading(self._mount, name_of(_BY_PATH, path)) as answer:
            yield lambda: self._noted(path, _about(path, answer()))

    def settled(self, path: PathRef) -> tuple[str, ...]:
        return self._about(path)[0].settled

    def link(self, path: PathRef, leak: str) -> None:
        self._change(path, lambda known: replace(known, open=tuple(sorted({*known.open, leak}))))

    def unlink(self, path: PathRef, leak: str) -> None:
        self._change(path, lambda known: replace(known, open=_without(known.open, leak)))

    def settle(self, path: PathRef, leak: str) -> None:
        def settled(known: _About) -> _About:
            if leak in known.settled and leak not in known.open:
                return known
            return _About(_without(known.open, leak), (*_without(known.settled, leak), leak)[-SETTLED:])

        self._change(path, settled)

    def _about(self, path: PathRef) -> tuple[_About, int]:
        return _about(path, self._engine.read(self._mount, name_of(_BY_PATH, path)))

    def _noted(self, path: PathRef, found: tuple[_About, int]) -> tuple[str, ...]:
        self._read[path] = found
        return found[0].open

    def _change(self, path: PathRef, change: Callable[[_About], _About]) -> None:
        read = self._read.pop(path, None)
        if read is None or change(read[0]) == read[0]:  # that there is nothing to do, what is read now has to say
            read = self._about(path)
        for _ in range(_ATTEMPTS):
            known, revision = read
            wanted = change(known)
            if wanted == known:
                return
            document = {"schema": SCHEMA, "leaks": list(wanted.open), "settled": list(wanted.settled)}
            try:
                self._engine.write(self._mount, name_of(_BY_PATH, path), document, revision)
            except Conflict:
                read = self._about(path)
            else:
                return
        raise Conflict(f"the leaks of {path} change faster than they can be compared and set")


def _about(path: PathRef, found: KvVersion | None) -> tuple[_About, int]:
    if found is None or found.data is None:
        return _About(), found.number if found else 0
    return parsed(f"the leaks of {path}", found.data, _read_about), found.number


def _without(known: tuple[str, ...], leak: str) -> tuple[str, ...]:
    return tuple(one for one in known if one != leak)


def _read_about(data: Mapping[str, Any]) -> _About:
    return _About(texts(data, "leaks"), texts(data, "settled") if "settled" in data else ())


def _name(leak: str) -> str:
    if not _ID.fullmatch(leak):
        raise Reject("not the id of a leak; `lockstep leak list` shows them")
    return f"{_DIRECTORY}/{leak}"


def _document(leak: Leak) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": leak.id,
        "reporters": list(leak.reporters),
        "via": leak.via,
        "noticed": leak.noticed.isoformat(),
        "received": leak.received.isoformat(),
        "detector": leak.detector,
        "place": leak.place,
        "path": leak.path.model_dump() if leak.path else None,
        "key": leak.key,
        "version": leak.version,
        "fingerprint": leak.fingerprint,
        "state": leak.state,
        "match": leak.match,
        "exposures": [one.model_dump(mode="json") for one in leak.exposures],
        "consumers": list(leak.consumers),
        "held": leak.held,
        "dismissed": leak.dismissed,
        "decided_by": leak.decided_by,
        "attested_by": leak.attested_by,
        "resolved": _moment(leak.resolved),
        "contained": _moment(leak.contained),
        "missing": list(leak.missing),
        "pinned": leak.pinned.model_dump(mode="json") if leak.pinned else None,
        "attempts": dict(leak.attempts),
        "joined": list(leak.joined),
        "told": leak.told,
        "timeline": [
            {"at": one.at.isoformat(), "what": one.what, "by": one.by, "detail": one.detail} for one in leak.timeline
        ],
        "due": _moment(leak.due),
    }


def _leak(data: Mapping[str, Any], revision: int) -> Leak:
    return Leak(
        id=text(data, "id"),
        reporters=texts(data, "reporters"),
        via=text(data, "via"),
        noticed=time(data, "noticed"),
        received=time(data, "received"),
        detector=text(data, "detector"),
        place=text(data, "place"),
        path=PathRef.model_validate(data["path"]) if data["path"] is not None else None,
        key=text(data, "key") if data["key"] is not None else None,
        version=int(data["version"]) if data["version"] is not None else None,
        fingerprint=text(data, "fingerprint") if data["fingerprint"] is not None else None,
        state=_one_of(data, "state", _STATES),
        match=_one_of(data, "match", _MATCHES),
        exposures=tuple(Exposure.model_validate(one) for one in data["exposures"]),
        consumers=texts(data, "consumers"),
        held=text(data, "held"),
        dismissed=text(data, "dismissed"),
        decided_by=text(data, "decided_by"),
        attested_by=text(data, "attested_by"),
        resolved=_optional(data, "resolved"),
        contained=_optional(data, "contained"),
        missing=texts(data, "missing"),
        # Not in documents of the release before.
        pinned=Version.model_validate(data["pinned"]) if data.get("pinned") is not None else None,
        attempts={str(path): number(data["attempts"], path) for path in data.get("attempts", {})},
        joined=texts(data, "joined") if "joined" in data else (),
        told=data["told"] is True,
        timeline=tuple(
            Happening(time(one, "at"), _one_of(one, "what", _HAPPENED), text(one, "by"), text(one, "detail"))
            for one in data["timeline"]
        ),
        due=_optional(data, "due"),
        revision=revision,
    )


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _optional(data: Mapping[str, Any], key: str) -> datetime | None:
    return time(data, key) if data[key] is not None else None


def _one_of(data: Mapping[str, Any], key: str, known: tuple[_Word, ...]) -> _Word:
    value = text(data, key)
    for word in known:
        if value == word:
            return word
    raise ValueError(key)
