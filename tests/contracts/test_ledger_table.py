"""One suite for `LedgerTable`: the fake and the embedded broker keep the same chain."""

from infra.broker.chain import GENESIS, verify
from infra.broker.records import Anchor
from tests.contracts.conftest import Happenings
from tests.infra.broker.kit import DEADLINE


def test_empty(happenings: Happenings) -> None:
    ledger = happenings.evidence.ledger
    assert ledger.head() == (0, GENESIS)
    assert list(ledger.entries()) == []
    assert ledger.anchors() == ()


def test_one_entry_for_what_was_accepted_and_one_for_what_was_given_up(happenings: Happenings) -> None:
    happenings.accept(1, correlationid="c")
    happenings.accept(2, "t.refused")
    happenings.accept(1)  # again: it has its entry
    ledger = happenings.evidence.ledger
    entries = list(ledger.entries())
    assert [(entry.n, entry.kind, entry.id) for entry in entries] == [
        (1, "accepted", "1"), (2, "accepted", "2"), (3, "dead-letter", "2"),
    ]  # fmt: skip
    assert (entries[0].correlation, entries[0].subject, entries[0].principal) == ("c", "s/1", "source:test")
    assert verify(entries).intact
    assert ledger.head() == (3, entries[-1].hash)


def test_a_part_of_it(happenings: Happenings) -> None:
    for number in range(4):
        happenings.accept(number)
    ledger = happenings.evidence.ledger
    assert [entry.n for entry in ledger.entries(2, 3)] == [2, 3]
    assert [entry.n for entry in ledger.entries(3)] == [3, 4]
    assert list(ledger.entries(5, 9)) == []


def test_anchors_are_remembered_in_order_and_replaced(happenings: Happenings) -> None:
    for number in range(3):
        happenings.accept(number)
    ledger = happenings.evidence.ledger
    for n, signature in ((1, "one"), (3, "three"), (3, "three again"), (2, "two")):
        ledger.record_anchor(n, bytes(32), signature, 1, n, at=n).result(DEADLINE)
    assert [(anchor.n, anchor.signature) for anchor in ledger.anchors()] == [
        (1, "one"), (2, "two"), (3, "three again"),
    ]  # fmt: skip
    assert ledger.anchors(limit=1) == (Anchor(3, bytes(32), "three again", 1, 3, 3),)
