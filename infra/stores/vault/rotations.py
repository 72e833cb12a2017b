"""`Rotations` as documents `lockstep/rotations/<sha256 of str(path)>`: how far the rotation of a path is.

Not by cluster: a path has one owner among all that share an authority, and its claim says which.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from events.references import PathRef, Version
from functions._failures import Conflict, Reject
from functions._rotations import Holder, Record
from infra.stores.vault.documents import MOUNT, RESTORE, SCHEMA, kept, name_of, parsed, text
from infra.stores.vault.kv import KvEngine, KvVersion
from infra.stores.vault.turns import Turns

_DIRECTORY = "rotations"


class VaultRotations:
    """A revision is the document's version. A record is never removed: it says what the path's last rotation was."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, turns: Turns | None = None) -> None:
        self._engine = engine
        self._mount = mount
        self._turns = turns or Turns()

    def paths(self) -> tuple[PathRef, ...]:
        """One request, and one for each record. A spoilt one has no path to name; reading its path says so."""
        found = (self._path(name) for name in self._engine.list(self._mount, _DIRECTORY))
        return tuple(sorted((path for path in found if path is not None), key=str))

    def read(self, path: PathRef) -> Record | None:
        return _found(path, self._engine.read(self._mount, name_of(_DIRECTORY, path)))

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Record | None]]:
        with self._engine.reading(self._mount, name_of(_DIRECTORY, path)) as answer:
            yield lambda: _found(path, answer())

    def write(self, record: Record) -> Record:
        name = name_of(_DIRECTORY, record.path)
        try:
            written = self._engine.write(self._mount, name, _document(record), record.revision)
        except Conflict:
            left = self._engine.read(self._mount, name) if record.revision == 0 else None
            if left is None or left.data is not None:
                raise Conflict(f"the rotation record of {record.path} changed since it was read") from None
            written = self._engine.write(self._mount, name, _document(record), left.number)  # people deleted it
        return replace(record, revision=written.number)

    @contextmanager
    def turn(self, path: PathRef) -> Iterator[None]:
        with self._turns.of(name_of(_DIRECTORY, path)):
            yield

    def _path(self, name: str) -> PathRef | None:
        found = self._engine.read(self._mount, f"{_DIRECTORY}/{name}")
        if found is None or found.data is None:
            return None
        try:
            return parsed(name, found.data, path_of)
        except Reject:
            return None


def _found(path: PathRef, found: KvVersion | None) -> Record | None:
    return kept(f"the rotation record of {path}", found, _record, lambda record: record.path, path, mend=RESTORE)


def path_of(data: Mapping[str, Any]) -> PathRef:
    """The path that a document is about. Raises KeyError, TypeError, ValueError."""
    return PathRef(mount=text(data, "mount"), path=text(data, "path"))


def holder_document(holder: Holder) -> dict[str, Any]:
    """A holder as JSON."""
    version = holder.version.model_dump(mode="json") if holder.version else None
    return {"account": holder.account, "id": holder.id, "version": version}


def holder_of(data: Mapping[str, Any]) -> Holder:
    """What `holder_document` wrote. Raises KeyError, TypeError, ValueError."""
    version = data["version"]
    return Holder(
        text(data, "account"), text(data, "id"), Version.model_validate(version) if version is not None else None
    )


@cache
def _records() -> TypeAdapter[Record]:
    """Built when it is first used: few processes meet a record."""
    return TypeAdapter(Record)


def _document(record: Record) -> dict[str, Any]:
    told = _records().dump_python(record, mode="json", exclude={"path", "revision"})
    return {"schema": SCHEMA, "mount": record.path.mount, "path": record.path.path, **told}


def _record(data: Mapping[str, Any], revision: int) -> Record:
    rest = {key: value for key, value in data.items() if key not in ("schema", "mount", "path")}
    terms = data["terms"]
    # JSON has no whole floats once the authority kept it, and a manifest's duration is either a float or a text.
    leak = {**terms["leak"], "deadline": float(terms["leak"]["deadline"])}
    path = path_of(data).model_dump(mode="json")
    told = {**rest, "terms": {**terms, "leak": leak}, "path": path, "revision": revision}
    record = _records().validate_json(json.dumps(told, default=float), strict=True)
    for each in fields(record):
        value = getattr(record, each.name)
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(each.name)
    return record
