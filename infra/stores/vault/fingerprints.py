"""`Fingerprints` by transit's HMAC, and `FingerprintIndex` as documents below `lockstep/fingerprints/`.

`fingerprints/values/<64 digits>-<key version>` says where a value of this fingerprint is, so that one is found with one
request however many secrets there are; `fingerprints/paths/<sha256 of str(path)>` says what was looked at already.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from events.references import PathRef, Version
from functions._failures import Conflict, Reject
from functions._leaks import Indexed, IndexedVersion, Purpose, Sighting
from functions._values import SecretValue
from infra.stores.vault.client import VaultClient
from infra.stores.vault.documents import MOUNT, SCHEMA, kept, name_of, parsed, text, time
from infra.stores.vault.kv import KvEngine, KvVersion

TRANSIT = "lockstep-transit"
KEYS: Mapping[Purpose, str] = {"leak": "leak", "revoked": "revoked"}
BATCH = 200  # values of one request
_DIRECTORY = "fingerprints"
_HMAC = re.compile(r"vault:v([0-9]{1,6}):([A-Za-z0-9+/=]+)")
_FINGERPRINT = re.compile(r"v([0-9]{1,6})\.([0-9a-f]{64})")
_NAMED = re.compile(r"([0-9a-f]{64})-([0-9]{1,6})")
_ATTEMPTS = 8  # against our own concurrent writers of one small document


class TransitFingerprints:
    """HMAC-SHA-256 by a version of a purpose's key, which never leaves the authority."""

    def __init__(self, client: VaultClient, mount: str = TRANSIT) -> None:
        self._client = client
        self._mount = mount

    def of(self, purpose: Purpose, values: Sequence[SecretValue], key_version: int | None = None) -> tuple[str, ...]:
        found: list[str] = []
        for first in range(0, len(values), BATCH):
            found += self._batch(purpose, values[first : first + BATCH], key_version)
        return tuple(found)

    def _batch(self, purpose: Purpose, values: Sequence[SecretValue], key_version: int | None) -> list[str]:
        where = f"{self._mount}/hmac/{KEYS[purpose]}"
        body: dict[str, Any] = {
            "algorithm": "sha2-256",
            "batch_input": [{"input": base64.b64encode(value.reveal()).decode()} for value in values],
        }
        if key_version is not None:
            body["key_version"] = key_version
        answer = self._client.call("POST", where, body=body, kind="fingerprint", refused_ok=True)
        if answer.status == 400:
            raise Reject(
                f"the authority has no key {self._mount}/keys/{KEYS[purpose]} that makes fingerprints"
                f"{'' if key_version is None else f' by its version {key_version}'}; docs/authority.md says how to add "
                "it, and its min_encryption_version has to admit every version that something was remembered by"
            )
        data = answer.body.get("data")
        results = data.get("batch_results") if isinstance(data, dict) else None
        if not isinstance(results, list) or len(results) != len(values):
            raise Reject(f"{where} gives no fingerprints; is it a transit mount?")
        return [_fingerprint(one, where) for one in results]


class VaultFingerprintIndex:
    """Each document under compare-and-set; a value's document that names nothing any more is forgotten."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._round = f"{_DIRECTORY}/rounds/{cluster}"

    def read(self, path: PathRef) -> Indexed | None:
        return _found(path, self._engine.read(self._mount, _path_name(path)))

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Indexed | None]]:
        with self._engine.reading(self._mount, _path_name(path)) as answer:
            yield lambda: _found(path, answer())

    def write(self, indexed: Indexed) -> Indexed:
        name = _path_name(indexed.path)
        try:
            written = self._engine.write(self._mount, name, _document(indexed), indexed.revision)
        except Conflict:
            left = self._engine.read(self._mount, name) if indexed.revision == 0 else None
            if left is None or left.data is not None:
                raise Conflict(f"the index of {indexed.path} changed since it was read; read it again") from None
            written = self._engine.write(self._mount, name, _document(indexed), left.number)  # deleted by people
        return replace(indexed, revision=written.number)

    def find(self, fingerprint: str) -> tuple[Sighting, ...]:
        found = self._sightings(fingerprint, self._engine.read(self._mount, _value_name(fingerprint)))
        return tuple(sorted(found, key=lambda one: (str(one.path), one.key, one.version.number)))

    def known(self) -> frozenset[str]:
        """Every fingerprint that is, or was, somewhere: one request, for who has many to look up."""
        names = (_NAMED.fullmatch(name) for name in self._engine.list(self._mount, f"{_DIRECTORY}/values"))
        return frozenset(f"v{match[2]}.{match[1]}" for match in names if match)

    def add(self, fingerprint: str, sighting: Sighting) -> None:
        self._change(fingerprint, lambda known: known if sighting in known else [*known, sighting])

    def drop(self, fingerprint: str, sighting: Sighting) -> None:
        self._change(fingerprint, lambda known: [one for one in known if one != sighting])

    def round(self) -> datetime | None:
        return self._rounded()[0]

    def rounded(self, began: datetime) -> None:
        for _ in range(_ATTEMPTS):
            known, revision = self._rounded()
            if known is not None and known >= began:
                return
            try:
                self._engine.write(self._mount, self._round, {"schema": SCHEMA, "began": began.isoformat()}, revision)
            except Conflict:
                continue
            return
        raise Conflict("the round of the index changes faster than it can be compared and set")

    def _rounded(self) -> tuple[datetime | None, int]:
        found = self._engine.read(self._mount, self._round)
        if found is None or found.data is None:
            return None, found.number if found else 0
        return parsed("the round of the index", found.data, lambda data: time(data, "began")), found.number

    def _change(self, fingerprint: str, change: Callable[[list[Sighting]], list[Sighting]]) -> None:
        name = _value_name(fingerprint)
        for _ in range(_ATTEMPTS):
            found = self._engine.read(self._mount, name)
            known = self._sightings(fingerprint, found)
            wanted = change(known)
            if wanted == known:
                return
            document = {"schema": SCHEMA, "sightings": [_sighting_document(one) for one in wanted]}
            try:
                self._engine.write(self._mount, name, document, found.number if found else 0)
            except Conflict:
                continue
            return
        raise Conflict("a fingerprint's document changes faster than it can be compared and set")

    def _sightings(self, fingerprint: str, found: KvVersion | None) -> list[Sighting]:
        if found is None or found.data is None:
            return []
        where = f"the document of fingerprint {fingerprint[:12]}…"
        return parsed(where, found.data, lambda data: [_sighting(one) for one in data["sightings"]])


def _found(path: PathRef, found: KvVersion | None) -> Indexed | None:
    return kept(f"the index of {path}", found, _indexed, lambda indexed: indexed.path, path)


def _fingerprint(result: object, where: str) -> str:
    said = result.get("hmac") if isinstance(result, dict) else None
    match = _HMAC.fullmatch(said) if isinstance(said, str) else None
    if match is None:
        raise Reject(f"{where} gives no fingerprints; is its key of a type that has an HMAC?")
    try:
        raw = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        raise Reject(f"{where} gives fingerprints that are not base64") from None
    return f"v{int(match[1])}.{raw.hex()}"


def _path_name(path: PathRef) -> str:
    return name_of(f"{_DIRECTORY}/paths", path)


def _value_name(fingerprint: str) -> str:
    match = _FINGERPRINT.fullmatch(fingerprint)
    if match is None:
        raise Reject("not a fingerprint; `lockstep fingerprint` makes one")
    return f"{_DIRECTORY}/values/{match[2]}-{match[1]}"


def _sighting_document(sighting: Sighting) -> dict[str, Any]:
    return {
        "mount": sighting.path.mount,
        "path": sighting.path.path,
        "key": sighting.key,
        "version": sighting.version.model_dump(mode="json"),
    }


def _sighting(data: Mapping[str, Any]) -> Sighting:
    path = PathRef(mount=text(data, "mount"), path=text(data, "path"))
    return Sighting(path, text(data, "key"), Version.model_validate(data["version"]))


def _document(indexed: Indexed) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "mount": indexed.path.mount,
        "path": indexed.path.path,
        "versions": [
            {
                "version": one.version.model_dump(mode="json"),
                "keys": dict(one.keys),
                "revoked": one.revoked,
                "looked": one.looked,
                "remembered": dict(one.remembered),
            }
            for _, one in sorted(indexed.versions.items())
        ],
    }


def _indexed(data: Mapping[str, Any], revision: int) -> Indexed:
    versions = [
        IndexedVersion(
            Version.model_validate(one["version"]),
            {str(key): str(fingerprint) for key, fingerprint in one["keys"].items()},
            one["revoked"] is True,
            one["looked"] is True,
            {str(key): str(fingerprint) for key, fingerprint in one.get("remembered", {}).items()},
        )
        for one in data["versions"]
    ]
    path = PathRef(mount=text(data, "mount"), path=text(data, "path"))
    return Indexed(path, {one.version.number: one for one in versions}, revision)
