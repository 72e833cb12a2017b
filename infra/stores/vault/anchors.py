"""Anchors: the signed head of a ledger, kept where whoever can rewrite the ledger cannot rewrite it too.

By cluster, as several may share an authority. Not by ledger: a ledger that was replaced by an empty one, with a new
id, shall find the anchor of the one before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions._failures import Reject
from infra.stores.vault.documents import MOUNT, SCHEMA, number, parsed, text, time
from infra.stores.vault.kv import KvEngine

_FORMER = "anchors/ledger"  # where the release before kept the anchor, of whichever installation anchored last


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
    """The document `lockstep/anchors/<cluster>_ledger` under compare-and-set."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._name = anchor_name(cluster)

    def read(self, ledger: str = "") -> Anchor | None:
        """The newest anchor, None where there is none yet. Raises Reject for one that was spoilt or deleted.

        Until the cluster has one of its own, that of `ledger` counts which the release before wrote where all
        installations wrote theirs; its revision is 0, as it is followed by a new document, and left as it is.
        """
        found = self._read(self._name)
        if found is None and ledger:
            former = self._read(_FORMER)
            found = replace(former, revision=0) if former is not None and former.ledger == ledger else None
        return found

    def write(self, anchor: Anchor) -> Anchor:
        """Replace the anchor whose revision is `anchor.revision` (0: there is none). Raises Conflict."""
        written = self._engine.write(self._mount, self._name, _document(anchor), anchor.revision)
        return replace(anchor, revision=written.number)

    def _read(self, name: str) -> Anchor | None:
        found = self._engine.read(self._mount, name)
        if found is None:
            return None
        if found.data is None:  # by whom? Nothing of ours deletes it, and writing over it would hide that
            raise Reject(
                f"version {found.number} of the ledger's anchor, {self._mount}/{name}, was deleted at the authority: "
                "find out by whom, and undelete it there"
            )
        return parsed("the ledger's anchor", found.data, lambda data: _anchor(data, found.number))


def anchor_name(cluster: str = "local") -> str:
    """The document of a cluster's anchor."""
    return f"anchors/{cluster}_ledger"  # no cluster's name holds "_"


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
