"""Which manifests were told of, so that what changed while Lockstep was down is told of at the next start."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.database import COUNT, LocalDatabase

_SERIAL = "manifest"
_REMEMBER = "INSERT OR REPLACE INTO manifest (ref, generation, secrets, paths) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class KnownManifest:
    """A manifest as it was when its last event was accepted."""

    ref: ManifestRef
    generation: str
    secrets: tuple[SecretRef, ...]
    paths: tuple[PathRef, ...]


class ManifestMemory(Protocol):
    """Which manifests were told of."""

    def all(self) -> dict[ManifestRef, KnownManifest]: ...

    def follow(self, changes: Sequence[tuple[ManifestRef, KnownManifest | None]]) -> None: ...

    def serial(self) -> int: ...


class KnownManifests:
    """One row per manifest; written only after the broker has accepted the event about it."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database

    def all(self) -> dict[ManifestRef, KnownManifest]:
        rows = self._database.rows("SELECT ref, generation, secrets, paths FROM manifest")
        known = (
            KnownManifest(
                ref=ManifestRef.parse(ref),
                generation=generation,
                secrets=tuple(SecretRef.model_validate(item) for item in json.loads(secrets)),
                paths=tuple(PathRef.model_validate(item) for item in json.loads(paths)),
            )
            for ref, generation, secrets, paths in rows
        )
        return {manifest.ref: manifest for manifest in known}

    def follow(self, changes: Sequence[tuple[ManifestRef, KnownManifest | None]]) -> None:
        """Remember what manifests are now, None for those that are gone; each counts as one change."""
        with self._database.writing() as connection:
            for ref, manifest in changes:
                if manifest is None:
                    connection.execute("DELETE FROM manifest WHERE ref = ?", (str(ref),))
                else:
                    connection.execute(_REMEMBER, _row(manifest))
                connection.execute(COUNT, (_SERIAL,))

    def serial(self) -> int:
        """How many changes were told of. The next one is this and no other, also when it is told again."""
        rows = self._database.rows("SELECT value FROM serial WHERE name = ?", _SERIAL)
        return int(rows[0][0]) if rows else 0


def _row(manifest: KnownManifest) -> tuple[str, str, str, str]:
    return (
        str(manifest.ref), manifest.generation,
        json.dumps([ref.model_dump() for ref in manifest.secrets]),
        json.dumps([ref.model_dump() for ref in manifest.paths]),
    )  # fmt: skip
