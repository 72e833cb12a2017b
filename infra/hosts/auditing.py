"""Whether the ledger is the one that was written: chain, recorded anchors, signatures, the authority's anchor.

Order matters while the broker goes on: recorded anchors are read before the authority's (which is written first), and
that before the head, so that nothing that is merely newer looks like a contradiction.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from functions._failures import Reject, StepFailure
from infra.broker.chain import GENESIS, Entry, Verification, verify
from infra.broker.records import Anchor as RecordedAnchor
from infra.hosts.evidence import LedgerTable
from infra.stores.vault.anchors import Anchor, VaultAnchors
from infra.stores.vault.transit import TransitSigner

NEWEST = 1000  # recorded anchors whose signatures are checked where not all are asked for
_KEEP = "copy ROOT/state away before anything else, then compare it with a backup and with the authority's audit log"
_UNREADABLE = (TypeError, AttributeError, ValueError, sqlite3.Error)  # what a row of the wrong kind comes to


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that contradicts the ledger's integrity. `entry` is the first one that it touches, where known."""

    what: str
    action: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Tail:
    """Entries that no valid anchor covers, and when the first of them was written."""

    first: int
    last: int
    since: datetime | None


@dataclass(slots=True)
class Report:
    """What an audit found. `asked`: the authority answered, so that signatures and its anchor were checked."""

    ledger: str
    entries: int = 0
    head: str = ""
    recorded: int = 0
    signatures: int = 0
    authority: Anchor | None = None
    tail: Tail | None = None
    asked: bool = True
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems


Message = Callable[[int, bytes], bytes]  # what is signed of an entry number and its hash


class LedgerAudit:
    """Checks one ledger in the identity of the record step, which may verify signatures and read the anchor."""

    def __init__(
        self, table: LedgerTable, anchors: VaultAnchors, signer: TransitSigner, ledger_id: str, message: Message
    ) -> None:
        self._table = table
        self._anchors = anchors
        self._signer = signer
        self._ledger_id = ledger_id
        self._message = message

    def report(self, newest: int = NEWEST) -> Report:
        """Check everything, and the signatures of the `newest` recorded anchors. Raises nothing that it can report."""
        report = Report(self._ledger_id)
        recorded = self._table.anchors(limit=newest)
        report.recorded = len(recorded)
        if len(recorded) == newest:
            report.notices.append(
                f"only the newest {newest} recorded anchors were checked; the chain covers the others"
            )
        self._read_authority(report)
        entries, _ = self._head(report)
        chain = self._chain(report, entries)
        report.entries, report.head = chain.entries, chain.hash.hex()
        covered = [anchor.n for anchor in recorded if self._recorded(anchor, entries, report)]
        covered += self._authoritys(report, recorded, entries)
        report.tail = self._tail(max(covered, default=0), entries)
        return report

    # --- the chain ------------------------------------------------------------------------------------------------

    def _head(self, report: Report) -> tuple[int, bytes]:
        try:
            return self._table.head()
        except _UNREADABLE as error:
            report.problems.append(Problem(f"the ledger cannot be read ({type(error).__name__})", _KEEP))
            return 0, GENESIS

    def _chain(self, report: Report, entries: int) -> Verification:
        try:
            found = verify(self._table.entries(1, entries))
        except _UNREADABLE as error:
            report.problems.append(Problem(f"an entry cannot be read ({type(error).__name__})", _KEEP))
            return Verification(0, 0, GENESIS)
        if not found.intact:
            report.problems.append(Problem(found.problem, _KEEP, found.broken))
        return found

    def _entry(self, number: int) -> Entry | None:
        try:
            return next(self._table.entries(number, number), None)
        except _UNREADABLE:
            return None  # the walk along the chain has reported it

    def _tail(self, covered: int, entries: int) -> Tail | None:
        if covered >= entries:
            return None
        first = self._entry(covered + 1)
        since = datetime.fromtimestamp(first.at / 1_000_000, UTC) if first else None
        return Tail(covered + 1, entries, since)

    # --- anchors ----------------------------------------------------------------------------------------------------

    def _recorded(self, anchor: RecordedAnchor, entries: int, report: Report) -> bool:
        """Whether a recorded anchor is the authority's signature over the entry that is there."""
        signed = self._signed(anchor.n, anchor.hash, anchor.signature, report)
        if signed is False:
            what = f"the recorded anchor of entry {anchor.n} was not signed by the authority's key: it was forged"
            report.problems.append(Problem(what, _KEEP, anchor.n))
            return False
        entry = self._entry(anchor.n)
        if entry is None or entry.hash != anchor.hash:
            what = (
                f"entry {anchor.n} was anchored and is gone: the ledger was cut to {entries} entries"
                if anchor.n > entries
                else f"entry {anchor.n} is not the one that was anchored: the ledger was rewritten or replaced"
            )
            report.problems.append(Problem(what, _KEEP, anchor.n))
            return False
        return signed is True

    def _signed(self, sequence: int, digest: bytes, signature: str, report: Report) -> bool | None:
        """Whether the key signed this; None where the authority cannot be asked, which is reported once."""
        if not report.asked:
            return None
        try:
            valid = self._signer.verify(self._message(sequence, digest), signature)
        except _UNREADABLE:
            return False
        except StepFailure as failure:
            self._unasked(report, failure)
            return None
        report.signatures += valid
        return valid

    def _read_authority(self, report: Report) -> None:
        try:
            report.authority = self._anchors.read(self._ledger_id)
        except Reject as spoilt:
            report.problems.append(Problem(spoilt.reason, _KEEP))
        except StepFailure as failure:
            self._unasked(report, failure)

    def _unasked(self, report: Report, failure: StepFailure) -> None:
        report.asked = False
        report.notices.append(f"the authority could not be asked, so no anchor was checked: {failure.reason}")

    def _authoritys(self, report: Report, recorded: tuple[RecordedAnchor, ...], entries: int) -> Iterator[int]:
        """The entry up to which the authority's own anchor proves the ledger, if it does."""
        anchor, newest = report.authority, max((one.n for one in recorded), default=0)
        if not report.asked:
            return
        if anchor is None:
            if recorded:
                what = f"anchors are recorded up to entry {newest}, and the authority has none: it was removed there"
                report.problems.append(Problem(what, _KEEP))
            return
        problem = self._contradiction(anchor, newest, entries)
        if (
            not problem
            and self._signed(anchor.sequence, bytes.fromhex(anchor.digest), anchor.signature, report) is False
        ):
            problem = f"the authority's anchor of entry {anchor.sequence} was not signed by its key: it was forged"
        if problem:
            report.problems.append(Problem(problem, _KEEP, anchor.sequence))
        elif report.asked:
            yield anchor.sequence

    def _contradiction(self, anchor: Anchor, newest: int, entries: int) -> str:
        if anchor.ledger != self._ledger_id:
            return (
                f"the authority's anchor is of ledger {anchor.ledger or 'unnamed'} with {anchor.sequence} entries, and "
                f"this is {self._ledger_id} with {entries}: the ledger was replaced, the state set up anew, or another "
                "installation at this authority has the same `cluster` in its lockstep.yaml"
            )
        if anchor.sequence > entries:
            return (
                f"the authority anchored {anchor.sequence} entries and the ledger has {entries}: it was cut or replaced"
            )
        if anchor.sequence < newest:
            return (
                f"anchors are recorded up to entry {newest}, and the authority's covers {anchor.sequence}: "
                "its record was set back"
            )
        entry = self._entry(anchor.sequence)
        if entry is None or entry.hash.hex() != anchor.digest:
            return f"entry {anchor.sequence} is not the one that the authority anchored: the ledger was rewritten"
        return ""
