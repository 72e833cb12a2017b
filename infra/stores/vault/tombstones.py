"""`Tombstones` as documents `lockstep/tombstones/<cluster>_<id>`.

By cluster, as several may share an authority: what is absent in one may be wired in another.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._failures import Conflict, Reject
from functions._ports import Tombstone
from infra.stores.vault.documents import MOUNT, SCHEMA, kept, text, texts, time
from infra.stores.vault.kv import KvEngine

_DIRECTORY = "tombstones"
_CHANGE = "change"
_ID = re.compile(r"[0-9a-f]{32}")  # as the orders that carry it ask
_POLICIES: tuple[Literal["delete-target", "release-path", "delete-path", "delete-properties", "revoke-lease"], ...] = (
    "delete-target",
    "release-path",
    "delete-path",
    "delete-properties",
    "revoke-lease",
)


class VaultTombstones:
    """A revision is the document's version, and removing deletes exactly that version, which is compare-and-set.

    The emptied document is then forgotten. A tombstone set in that instant is lost with it, which only means that
    the absence is noticed once more and waits its grace again: never that something is retracted too early.
    """

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._prefix = f"{cluster}_"  # no cluster's name holds "_"

    def ids(self) -> tuple[str, ...]:
        """The ids of this cluster's tombstones, ordered: one request, whatever their number."""
        names = (name for name in self._engine.list(self._mount, _DIRECTORY) if name.startswith(self._prefix))
        return tuple(sorted(found for name in names if _ID.fullmatch(found := name.removeprefix(self._prefix))))

    def list(self) -> tuple[Tombstone, ...]:
        """One request, and one for each. A spoilt one retracts nothing; reading it says so, and `status` names it."""
        found = (self._readable(tombstone_id) for tombstone_id in self.ids())
        return tuple(tombstone for tombstone in found if tombstone is not None)

    def _readable(self, tombstone_id: str) -> Tombstone | None:
        try:
            return self.read(tombstone_id)
        except Reject:
            return None  # it must not hold up the others

    def read(self, tombstone_id: str) -> Tombstone | None:
        found = self._engine.read(self._mount, self._name(tombstone_id))
        return kept(f"the tombstone {tombstone_id}", found, _tombstone, lambda tombstone: tombstone.id, tombstone_id)

    def create(self, tombstone: Tombstone) -> None:
        name = self._name(tombstone.id)
        try:
            self._engine.write(self._mount, name, _document(tombstone), 0)
        except Conflict:
            found = self._engine.read(self._mount, name)
            if found is None or (found.data is not None and found.data.get(_CHANGE, "") == tombstone.change):
                return
            # removed, but not yet forgotten; or another deletion: whoever put it back and took it away has full grace
            self._engine.write(self._mount, name, _document(tombstone), found.number)

    def remove(self, tombstone: Tombstone) -> None:
        name = self._name(tombstone.id)
        self._engine.delete(self._mount, name, (tombstone.revision,))
        left = self._engine.metadata(self._mount, name)
        if left is None:
            return
        if left.newest != tombstone.revision:
            raise Conflict(f"the tombstone {tombstone.id} changed since it was read; read it again")
        self._engine.delete_metadata(self._mount, name)

    def _name(self, tombstone_id: str) -> str:
        if not _ID.fullmatch(tombstone_id):
            raise Reject("not the id of a tombstone; ids are 32 hexadecimal digits")
        return f"{_DIRECTORY}/{self._prefix}{tombstone_id}"


def _document(tombstone: Tombstone) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "id": tombstone.id,
        "manifest": str(tombstone.manifest),
        "target": tombstone.target.model_dump(),
        "policy": tombstone.policy,
        "noticed": tombstone.noticed.isoformat(),
        "due": tombstone.due.isoformat(),
        "properties": list(tombstone.properties),
        "base": tombstone.base.model_dump(mode="json") if tombstone.base else None,
        "owner": tombstone.owner,
        _CHANGE: tombstone.change,
    }


def _tombstone(data: Mapping[str, Any], revision: int) -> Tombstone:
    base = data["base"]
    return Tombstone(
        id=text(data, "id"),
        manifest=ManifestRef.parse(text(data, "manifest")),
        target=_target(data["target"]),
        policy=_policy(text(data, "policy")),
        noticed=time(data, "noticed"),
        due=time(data, "due"),
        properties=texts(data, "properties"),
        base=Version.model_validate(base) if base is not None else None,
        owner=text(data, "owner"),
        change=text(data, _CHANGE) if _CHANGE in data else "",  # written by a release that did not tell
        revision=revision,
    )


def _target(data: object) -> SecretRef | PathRef:
    if isinstance(data, dict) and "mount" in data:
        return PathRef.model_validate(data)
    return SecretRef.model_validate(data)


def _policy(value: str) -> Literal["delete-target", "release-path", "delete-path", "delete-properties", "revoke-lease"]:
    for policy in _POLICIES:
        if value == policy:
            return policy
    raise ValueError("policy")
