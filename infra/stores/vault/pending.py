"""`Pending` as documents `lockstep/pending/<sha256 of str(path)>`: staged values, where no consumer looks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from events.references import PathRef, Version
from functions._failures import Conflict, Reject
from functions._rotations import Staged
from functions._values import SecretData, SecretValue
from infra.stores.vault.documents import MOUNT, SCHEMA, name_of, parsed, text
from infra.stores.vault.kv import KvEngine, KvVersion
from infra.stores.vault.rotations import holder_document, holder_of, path_of

_DIRECTORY = "pending"


class VaultPending:
    """Staging is compare-and-set; removing forgets the whole document with its history, so that no former value stays
    behind. What was looked at is what is removed: nothing is staged where something is."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT) -> None:
        self._engine = engine
        self._mount = mount

    def read(self, path: PathRef) -> Staged | None:
        return _held(path, self._engine.read(self._mount, name_of(_DIRECTORY, path)))

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Staged | None]]:
        with self._engine.reading(self._mount, name_of(_DIRECTORY, path)) as found:
            yield lambda: _held(path, found())

    def create(self, staged: Staged) -> Staged:
        name = name_of(_DIRECTORY, staged.path)
        document = _document(staged)
        try:
            written = self._engine.write(self._mount, name, document, 0)
        except Conflict:
            left = self._engine.read(self._mount, name)
            if left is None or left.data is not None:
                raise Conflict(f"something is staged for {staged.path} already; read it") from None
            written = self._engine.write(self._mount, name, document, left.number)  # deleted, but not yet forgotten
        return replace(staged, version=Version(number=written.number, created=written.created))

    @contextmanager
    def creating(self, staged: Staged) -> Iterator[Callable[[], Staged]]:
        name, document = name_of(_DIRECTORY, staged.path), _document(staged)
        with self._engine.writing(self._mount, name, document, 0) as written:

            def created() -> Staged:
                try:
                    made = written()
                except Conflict:
                    return self.create(staged)  # something is staged, or was deleted by people
                return replace(staged, version=Version(number=made.number, created=made.created))

            yield created

    def remove(self, path: PathRef, version: Version | None) -> None:
        name = name_of(_DIRECTORY, path)
        there = self._engine.metadata(self._mount, name)
        if there is None:
            return
        newest = there.versions.get(there.newest)
        if newest is None or version != Version(number=there.newest, created=newest.created):
            raise Conflict(f"what is staged for {path} changed since it was read; read it again")
        self._engine.delete_metadata(self._mount, name)


def _held(path: PathRef, found: KvVersion | None) -> Staged | None:
    if found is None or found.data is None:
        return None
    where = f"what is staged for {path}"
    staged = parsed(where, found.data, lambda data: _staged(data, found))
    if staged.path != path:
        raise Reject(f"{where} is about {staged.path}: somebody moved it; delete it")
    return staged


def _document(staged: Staged) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "mount": staged.path.mount,
        "path": staged.path.path,
        "rotation": staged.rotation,
        "credential": holder_document(staged.credential),
        "data": _texts(staged),
    }


def _texts(staged: Staged) -> dict[str, str]:
    try:
        return {key: value.reveal().decode() for key, value in staged.data.items()}
    except UnicodeDecodeError:  # it holds the value
        raise Reject(
            f"a value to be staged for {staged.path} is not UTF-8 text, which the authority cannot hold"
        ) from None


def _staged(data: Mapping[str, Any], found: KvVersion) -> Staged:
    return Staged(
        path=path_of(data),
        rotation=text(data, "rotation"),
        credential=holder_of(data["credential"]),
        data=_values(data["data"]),
        version=Version(number=found.number, created=found.created),
    )


def _values(data: Mapping[str, Any]) -> SecretData:
    try:
        return {str(key): SecretValue.of(text(data, key)) for key in data}
    except UnicodeEncodeError:
        raise ValueError("data") from None  # the error holds the value
