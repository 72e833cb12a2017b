"""`Ledger` of the record step: the chain's head, signed by transit and kept at the authority by CAS."""

from collections.abc import Callable
from datetime import datetime

from functions._failures import Reject, Unavailable
from infra.broker.errors import BrokerError
from infra.hosts.evidence import LedgerTable
from infra.stores.vault.anchors import Anchor, VaultAnchors
from infra.stores.vault.transit import TransitSigner

_PATIENCE = 30.0  # seconds for the broker's writer to record an anchor


class AnchoredLedger:
    """Anchors the embedded broker's ledger. One anchor covers everything appended since the one before."""

    def __init__(
        self,
        table: LedgerTable,
        anchors: VaultAnchors,
        signer: TransitSigner,
        ledger_id: str,
        now: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._anchors = anchors
        self._signer = signer
        self._ledger_id = ledger_id
        self._now = now

    def anchor(self) -> None:
        """Sign and anchor the head if it moved. Raises Conflict, Unavailable, and Reject where the anchor is ahead."""
        # In this order: whoever anchors at the same time may then be behind us, but never seems to be ahead.
        known = self._anchors.read(self._ledger_id)
        sequence, digest = self._table.head()
        if known is not None and known.ledger == self._ledger_id:
            if known.sequence == sequence and known.digest == digest.hex():
                return
            if known.sequence > sequence:
                raise Reject(
                    f"the authority's anchor covers {known.sequence} ledger entries and the ledger has {sequence}: "
                    "it was cut or replaced; keep both and run `lockstep audit verify`"
                )
            # A replaced ledger that has grown longer must not be vouched for either.
            entry = next(self._table.entries(known.sequence, known.sequence), None)
            if entry is None or entry.hash.hex() != known.digest:
                raise Reject(
                    f"ledger entry {known.sequence} is not the one that the authority anchored: the ledger was "
                    "rewritten or replaced; keep it and run `lockstep audit verify`"
                )
        if sequence == 0:
            return
        signature = self._signer.sign(self.message(sequence, digest))
        moment = self._now()
        written = self._anchors.write(
            Anchor(
                sequence=sequence,
                digest=digest.hex(),
                signature=signature.text,
                key_version=signature.key_version,
                anchored=moment,
                ledger=self._ledger_id,
                revision=known.revision if known else 0,
            )
        )
        recorded = self._table.record_anchor(
            sequence,
            digest,
            signature.text,
            signature.key_version,
            written.revision,
            at=int(moment.timestamp() * 1_000_000),
        )
        try:
            recorded.result(timeout=_PATIENCE)
        except (BrokerError, TimeoutError) as failure:
            raise Unavailable("ledger", f"the anchor cannot be recorded beside the ledger: {failure}") from None

    def message(self, sequence: int, digest: bytes) -> bytes:
        """What is signed: which ledger, how long, and its last hash."""
        return f"lockstep-ledger:1:{self._ledger_id}:{sequence}:{digest.hex()}".encode()
