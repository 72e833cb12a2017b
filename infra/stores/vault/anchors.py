"""Anchors: the signed head of a ledger, kept where whoever can rewrite the ledger cannot rewrite it too."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions._failures import Reject
from infra.stores.vault.documents import MOUNT, SCHEMA, number, parsed, text, time
from infra.stores.vault.kv import KvEngine

_NAME = "anchors/ledger"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain's head when it was anchored. `digest` is hexadecimal, `signature` as transit writes it."""

    sequence: int
    digest: str
    signature: str
    key_version: int
    anchored: datetime
    ledger: str = ""  # which ledger, when a root was set up anew
    revision: int = 0


class VaultAnchors:
    """The document `lockstep/anchors/ledger` under compare-and-set."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT) -> None:
        self._engine = engine
        self._mount = mount

    def read(self) -> Anchor | None:
        """The newest anchor, None where there is none yet. Raises Reject for one that was spoilt or deleted."""
        found = self._engine.read(self._mount, _NAME)
        if found is None:
            return None
        if found.data is None:  # by whom? Nothing of ours deletes it, and writing over it would hide that
            raise Reject(
                f"version {found.number} of the ledger's anchor, {self._mount}/{_NAME}, was deleted at the authority: "
                "find out by whom, and undelete it there"
            )
        return parsed("the ledger's anchor", found.data, lambda data: _anchor(data, found.number))

    def write(self, anchor: Anchor) -> Anchor:
        """Replace the anchor whose revision is `anchor.revision` (0: there is none). Raises Conflict."""
        written = self._engine.write(self._mount, _NAME, _document(anchor), anchor.revision)
        return replace(anchor, revision=written.number)


def _document(anchor: Anchor) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "sequence": anchor.sequence,
        "digest": anchor.digest,
        "signature": anchor.signature,
        "key_version": anchor.key_version,
        "anchored": anchor.anchored.isoformat(),
        "ledger": anchor.ledger,
    }


def _anchor(data: Mapping[str, Any], revision: int) -> Anchor:
    return Anchor(
        sequence=number(data, "sequence"),
        digest=text(data, "digest"),
        signature=text(data, "signature"),
        key_version=number(data, "key_version"),
        anchored=time(data, "anchored"),
        ledger=text(data, "ledger"),
        revision=revision,
    )
