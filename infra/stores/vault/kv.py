"""The KV version 2 engine: versions, compare-and-set, metadata. Documents are JSON objects, as they are stored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from functions._failures import Reject, Unavailable
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import Answer


@dataclass(frozen=True, slots=True)
class KvVersion:
    """One version. `data` is None when it is deleted or destroyed; `created` is cut to microseconds."""

    number: int
    created: datetime
    data: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KvMetadata:
    """What is known of a path without reading it; `newest` is 0 where only metadata was ever written."""

    newest: int
    versions: Mapping[int, "KvVersionMetadata"]
    custom: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KvVersionMetadata:
    created: datetime
    deleted: datetime | None  # when it is (or will be) deleted
    destroyed: bool


class KvEngine:
    """KV version 2 mounts, in one identity. A mount may begin with namespaces.

    `purpose` is what its reads and writes are counted as, where that is not what they are.
    """

    def __init__(self, client: VaultClient, purpose: str = "") -> None:
        self._client = client
        self._reading = purpose or "read"
        self._writing = purpose or "write"

    def read(self, mount: str, path: str, version: int | None = None) -> KvVersion | None:
        """The newest version, or a numbered one; None where there never was one or it is gone."""
        suffix = f"?version={version}" if version is not None else ""
        return _read(self._client.call("GET", f"{mount}/data/{path}{suffix}", kind=self._reading, absent_ok=True), path)

    @contextmanager
    def reading(
        self, mount: str, path: str, version: int | None = None
    ) -> Iterator[Callable[[], KvVersion | None]]:  # fmt: skip
        """As `read`, asked for now and waited for when it is called for (see VaultClient.asking)."""
        suffix = f"?version={version}" if version is not None else ""
        with self._client.asking(f"{mount}/data/{path}{suffix}", kind=self._reading, absent_ok=True) as answer:
            yield lambda: _read(answer(), path)

    def write(self, mount: str, path: str, data: Mapping[str, Any], cas: int) -> KvVersion:
        """Write version `cas + 1`. Raises Conflict when the newest is not `cas`."""
        body = {"options": {"cas": cas}, "data": data}
        return _written(self._client.call("POST", f"{mount}/data/{path}", body=body, kind=self._writing), path, data)

    @contextmanager
    def writing(
        self, mount: str, path: str, data: Mapping[str, Any], cas: int
    ) -> Iterator[Callable[[], KvVersion]]:  # fmt: skip
        """As `write`, begun now and waited for when it is called for; until then, it may have happened or not."""
        body = {"options": {"cas": cas}, "data": data}
        with self._client.asking(f"{mount}/data/{path}", kind=self._writing, method="POST", body=body) as answer:
            yield lambda: _written(answer(), path, data)

    def delete(self, mount: str, path: str, versions: tuple[int, ...]) -> None:
        """Soft-delete these versions and no others."""
        body = {"versions": list(versions)}
        self._client.call("POST", f"{mount}/delete/{path}", body=body, kind="delete", absent_ok=True)

    def metadata(self, mount: str, path: str) -> KvMetadata | None:
        return _metadata(self._client.call("GET", f"{mount}/metadata/{path}", kind="metadata", absent_ok=True), path)

    @contextmanager
    def asking_metadata(self, mount: str, path: str) -> Iterator[Callable[[], KvMetadata | None]]:
        """As `metadata`, asked for now and waited for when it is called for."""
        with self._client.asking(f"{mount}/metadata/{path}", kind="metadata", absent_ok=True) as answer:
            yield lambda: _metadata(answer(), path)

    def delete_metadata(self, mount: str, path: str) -> None:
        """Forget the path with all its versions."""
        self._client.call("DELETE", f"{mount}/metadata/{path}", kind="delete", absent_ok=True)

    def merge_custom_metadata(self, mount: str, path: str, entries: Mapping[str, str]) -> None:
        """Set these entries of custom_metadata and leave the others."""
        body = {"custom_metadata": entries}
        where = f"{mount}/metadata/{path}"
        merge = "application/merge-patch+json"
        answer = self._client.call("PATCH", where, body=body, kind="mirror", content_type=merge, absent_ok=True)
        if answer.status != 404:
            return
        try:
            self._client.call("POST", where, body=body, kind="mirror")  # PATCH creates nothing
        except Unavailable:
            # A write of data made it meanwhile: replacing is refused then, by policy, and merging is not.
            self._client.call("PATCH", where, body=body, kind="mirror", content_type=merge)

    def list(self, mount: str, prefix: str) -> tuple[str, ...]:
        """The names right below a prefix; directories end in "/"."""
        below = f"{quote(prefix.strip('/'))}/" if prefix.strip("/") else ""
        answer = self._client.call("GET", f"{mount}/metadata/{below}?list=true", kind="list", absent_ok=True)
        content = answer.body.get("data")
        keys = content.get("keys") if isinstance(content, dict) else None
        return tuple(str(key) for key in keys or ())


def _written(answer: Answer, path: str, data: Mapping[str, Any]) -> KvVersion:
    metadata = _mapping(answer.body, "data", path)
    return KvVersion(_number(metadata, path), _time(metadata.get("created_time"), path), data)


def _read(answer: Answer, path: str) -> KvVersion | None:
    content = answer.body.get("data")
    if not isinstance(content, dict):
        return None
    metadata = _mapping(content, "metadata", path)
    data = content.get("data") if answer.status == 200 else None
    return KvVersion(_number(metadata, path), _time(metadata.get("created_time"), path), data)


def _metadata(answer: Answer, path: str) -> KvMetadata | None:
    content = answer.body.get("data")
    if not isinstance(content, dict):
        return None
    versions = {int(number): _version(entry, path) for number, entry in (content.get("versions") or {}).items()}
    return KvMetadata(int(content.get("current_version") or 0), versions, content.get("custom_metadata") or {})


def _mapping(body: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    found = body.get(key)
    if not isinstance(found, dict):
        raise _strange(path)
    return found


def _number(metadata: Mapping[str, Any], path: str) -> int:
    number = metadata.get("version")
    if not isinstance(number, int):
        raise _strange(path)
    return number


def _version(entry: Mapping[str, Any], path: str) -> KvVersionMetadata:
    deleted = entry.get("deletion_time")
    created = _time(entry.get("created_time"), path)
    return KvVersionMetadata(created, _time(deleted, path) if deleted else None, bool(entry.get("destroyed")))


def _time(text: object, path: str) -> datetime:
    """RFC 3339 with up to nanoseconds, of which a datetime keeps microseconds."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise _strange(path) from None
    return time


def _strange(path: str) -> Reject:
    return Reject(
        f"the authority's answer for {path} is not that of a KV version 2 mount; check the store's path and version"
    )
