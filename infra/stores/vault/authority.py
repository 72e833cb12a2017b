"""`Authority` over KV version 2."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from events.references import PathRef, Version
from functions._failures import Reject
from functions._ports import PathHead, StoredSecret
from functions._values import SecretData, SecretValue
from infra.stores.vault.kv import KvEngine, KvMetadata, KvVersion, KvVersionMetadata

_PIN = re.compile(r"[1-9][0-9]{0,15}")


def _now() -> datetime:
    return datetime.now(UTC)


class VaultAuthority:
    """Values as the authority holds them. Its compare-and-set knows version numbers only, so a path whose metadata
    is deleted and which grows back to the same number between a read and a write is not noticed by the write.
    """

    def __init__(self, engine: KvEngine, clock: Callable[[], datetime] = _now) -> None:
        self._engine = engine
        self._clock = clock

    def read(self, path: PathRef, version: Version | None = None) -> StoredSecret | None:
        return _version_of(path, self._engine.read(path.mount, path.path, version.number if version else None), version)

    @contextmanager
    def reading(self, path: PathRef, version: Version | None = None) -> Iterator[Callable[[], StoredSecret | None]]:
        with self._engine.reading(path.mount, path.path, version.number if version else None) as found:
            yield lambda: _version_of(path, found(), version)

    def read_pinned(self, path: PathRef, pin: str) -> StoredSecret | None:
        if not _PIN.fullmatch(pin):
            raise Reject(f"version {pin[:40]!r} of {path} is not a version number; write one, such as 3")
        return _stored(path, self._engine.read(path.mount, path.path, int(pin)))

    def head(self, path: PathRef) -> PathHead | None:
        return self._head(path, self._engine.metadata(path.mount, path.path))

    @contextmanager
    def heading(self, path: PathRef) -> Iterator[Callable[[], PathHead | None]]:
        with self._engine.asking_metadata(path.mount, path.path) as metadata:
            yield lambda: self._head(path, metadata())

    def _head(self, path: PathRef, metadata: KvMetadata | None) -> PathHead | None:
        newest = metadata.versions.get(metadata.newest) if metadata else None
        if metadata is None or newest is None:
            return None
        live = tuple(number for number, entry in sorted(metadata.versions.items()) if self._is_live(entry))
        version = Version(number=metadata.newest, created=newest.created)
        return PathHead(path, version, metadata.newest not in live, live)

    def list(self, mount: str, prefix: str) -> tuple[PathRef, ...]:
        found: list[PathRef] = []
        pending = [prefix.strip("/")]
        while pending:
            directory = pending.pop()
            below = f"{directory}/" if directory else ""
            for name in self._engine.list(mount, directory):
                if name.endswith("/"):
                    pending.append(f"{below}{name.rstrip('/')}")
                else:
                    found.extend(_wirable(mount, f"{below}{name}"))
        return tuple(sorted(found, key=lambda path: path.path))

    def write(self, path: PathRef, data: SecretData, base: Version | None) -> Version:
        texts = {key: _text(path, key, value) for key, value in data.items()}
        written = self._engine.write(path.mount, path.path, texts, base.number if base else 0)
        return Version(number=written.number, created=written.created)

    def delete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        if versions:
            self._engine.delete(path.mount, path.path, versions)

    def _is_live(self, entry: KvVersionMetadata) -> bool:
        return not entry.destroyed and (entry.deleted is None or entry.deleted > self._clock())


def _stored(path: PathRef, found: KvVersion | None) -> StoredSecret | None:
    if found is None:
        return None
    version = Version(number=found.number, created=found.created)
    return StoredSecret(path, version, None if found.data is None else _values(path, found.data))


def _version_of(path: PathRef, found: KvVersion | None, version: Version | None) -> StoredSecret | None:
    """What was found, if it is the version that was asked for (None: any)."""
    stored = _stored(path, found)
    if version is not None and stored is not None and stored.version != version:
        return None  # the path began anew: that number is another value
    return stored


def _wirable(mount: str, path: str) -> tuple[PathRef, ...]:
    """The path as a reference; nothing for a name that no manifest can give, which therefore concerns nobody."""
    try:
        return (PathRef(mount=mount, path=path),)
    except ValidationError:
        return ()


def _values(path: PathRef, data: Mapping[str, Any]) -> dict[str, SecretValue]:
    try:
        return {key: SecretValue.of(_plain(value)) for key, value in data.items()}
    except (UnicodeEncodeError, TypeError):
        raise Reject(f"a value at {path} is no Unicode text; write it anew") from None  # the error holds the value


def _plain(value: object) -> str:
    """Strings as they are; any other JSON value, which people may store, as compact JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def _text(path: PathRef, key: str, value: SecretValue) -> str:
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        raise Reject(  # `from None`: the decoding error holds the value
            f"the value of {key!r} for {path} is not UTF-8 text, which the authority cannot hold unchanged; encode it "
            "with b64enc in the PushSecret's template and read it with decodingStrategy Base64"
        ) from None
