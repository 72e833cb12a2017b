"""`status.syncedPushSecrets` of a PushSecret: External Secrets Operator's own record, with ours inside it.

`{"ClusterSecretStore/<store>": {"<remoteKey>[/<property>]": {match, conversionStrategy, metadata}}}`; `metadata` is
free in the definition, and ours is its member `lockstep.dev`, at the first entry of each path.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from events.errors import EventError
from events.references import ManifestRef, PathRef, Version
from functions._manifests.paths import CLUSTER_STORE
from functions._manifests.push_secret import PushData, PushSecret
from functions._ports import Publication

OURS = "lockstep.dev"
MountOf = Callable[[str], str | None]


def publications(status: Mapping[str, Any], manifest: ManifestRef, mount_of: MountOf) -> Iterator[Publication]:
    """What was confirmed, by path; what cannot be read was confirmed by nobody."""
    for store, _, entry in _entries(status):
        path = _path(store, entry, mount_of)
        metadata = entry.get("metadata")
        ours = metadata.get(OURS) if isinstance(metadata, dict) else None
        if path is not None and isinstance(ours, dict):
            found = _publication(path, manifest, ours)
            if found is not None:
                yield found


def recorded(
    status: Mapping[str, Any], push: PushSecret, publication: Publication, mount_of: MountOf
) -> dict[str, dict[str, Any]]:
    """What a merge patch makes of `syncedPushSecrets`: the path's entries as the manifest has them, and no others."""
    patch = forgotten(status, publication.path, mount_of)
    first = True
    for store in push.stores:
        if mount_of(store) != publication.path.mount:
            continue
        for item in push.spec.data:
            if item.match.remote_ref.remote_key == publication.path.path:
                entry = _entry(item, _ours(publication) if first else None)
                patch.setdefault(f"{CLUSTER_STORE}/{store}", {})[_key(item)] = entry
                first = False
    return patch


def forgotten(status: Mapping[str, Any], path: PathRef, mount_of: MountOf) -> dict[str, dict[str, Any]]:
    """What a merge patch makes of `syncedPushSecrets` where a path is published no more."""
    patch: dict[str, dict[str, Any]] = {}
    for store, key, entry in _entries(status):
        if _path(store, entry, mount_of) == path:
            patch.setdefault(store, {})[key] = None
    return patch


def _entries(status: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    synced = status.get("syncedPushSecrets")
    for store, entries in (synced if isinstance(synced, dict) else {}).items():
        for key, entry in (entries if isinstance(entries, dict) else {}).items():
            if isinstance(entry, dict):
                yield store, key, entry


def _path(store: str, entry: Mapping[str, Any], mount_of: MountOf) -> PathRef | None:
    kind, _, name = store.partition("/")
    mount = mount_of(name) if kind == CLUSTER_STORE else None
    match = entry.get("match")
    remote = match.get("remoteRef") if isinstance(match, dict) else None
    key = remote.get("remoteKey", "") if isinstance(remote, dict) else None
    return None if mount is None or not isinstance(key, str) else _reference(mount, key)


@lru_cache(maxsize=256)
def _reference(mount: str, key: str) -> PathRef | None:
    try:
        return PathRef(mount=mount, path=key)
    except ValidationError:
        return None


def _key(item: PushData) -> str:
    remote = item.match.remote_ref
    return f"{remote.remote_key}/{remote.property}" if remote.property else remote.remote_key


def _entry(item: PushData, ours: dict[str, Any] | None) -> dict[str, Any]:
    theirs = item.metadata if isinstance(item.metadata, dict) else {}
    return {
        "match": item.match.model_dump(by_alias=True, exclude_defaults=True),
        "conversionStrategy": item.conversion_strategy,
        "metadata": {**theirs, OURS: ours},
    }


def _ours(publication: Publication) -> dict[str, Any]:
    version = publication.version
    return {
        "version": version.number,
        "created": version.created.isoformat(),
        "id": version.id,
        # a list, as a merge patch would keep the names of sources that are none any more
        "sources": [{"secret": name, "state": state} for name, state in sorted(publication.sources.items())],
        "generation": publication.generation,
    }


def _publication(path: PathRef, manifest: ManifestRef, ours: Mapping[str, Any]) -> Publication | None:
    try:
        sources = tuple((one["secret"], one["state"]) for one in ours["sources"])
        version = ours["version"], ours["created"], ours.get("id", "")
        return _read(path, manifest, version, sources, ours.get("generation", ""))
    except (KeyError, TypeError, ValueError, EventError):  # somebody else wrote it
        return None


@lru_cache(maxsize=256)  # a change reads the same several times
def _read(
    path: PathRef, manifest: ManifestRef, version: tuple[Any, Any, Any], sources: tuple[tuple[Any, Any], ...],
    generation: Any,
) -> Publication:  # fmt: skip
    number, created, name = version
    return Publication(
        path=path,
        version=Version(number=number, created=datetime.fromisoformat(created), id=name),
        manifest=manifest,
        sources=dict(sources),
        generation=generation,
    )
