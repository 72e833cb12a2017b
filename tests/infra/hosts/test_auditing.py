"""Every way to tamper with a ledger or its anchors, against a real broker database and a real transit key."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions._failures import Reject
from infra.broker.broker import Broker
from infra.broker.principal import Principal
from infra.hosts.anchoring import AnchoredLedger
from infra.hosts.auditing import LedgerAudit, Report
from infra.stores.vault.anchors import Anchor, VaultAnchors, anchor_name
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.transit import TransitSigner
from tests.infra.broker.kit import DEADLINE, SOURCE, Scripted, event, running
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e

MOUNT = "secret"  # not `lockstep`: other tests of this worker anchor there
LEDGER = "0123456789abcdef"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OPERATOR = Principal("operator", "1000")


@dataclass
class Bench:
    """A broker with five entries, and what anchors and audits it."""

    broker: Broker
    engine: KvEngine
    anchors: VaultAnchors
    signer: TransitSigner

    def anchored(self, identity: str = LEDGER) -> AnchoredLedger:
        return AnchoredLedger(self.broker.ledger, self.anchors, self.signer, identity, lambda: NOW)

    def report(self, identity: str = LEDGER) -> Report:
        message = self.anchored(identity).message
        return LedgerAudit(self.broker.ledger, self.anchors, self.signer, identity, message).report()

    def more(self, *ids: int) -> None:
        for number in ids:
            self.broker.accept(event(number), SOURCE).result(DEADLINE)

    def at_the_authority(self, **changes: object) -> None:
        """Overwrite the anchor there, as somebody who may write it could."""
        found = self.anchors.read()
        assert found is not None
        self.anchors.write(replace(found, **changes))  # type: ignore[arg-type]  # the caller names fields of Anchor


@pytest.fixture
def bench(openbao: OpenBao, tmp_path: Path) -> Iterator[Bench]:
    engine = openbao.engine()
    for name in (anchor_name(), "anchors/ledger"):
        engine.delete_metadata(MOUNT, name)
    with running(tmp_path, {"sub": Scripted()}) as broker:
        made = Bench(broker, engine, VaultAnchors(engine, MOUNT), TransitSigner(openbao.admin()))
        made.more(1, 2, 3, 4, 5)
        yield made


def problems(report: Report) -> str:
    assert not report.intact
    return "; ".join(problem.what for problem in report.problems)


def test_an_honest_ledger(bench: Bench) -> None:
    fresh = bench.report()
    assert (fresh.intact, fresh.entries, fresh.authority) == (True, 5, None)
    assert fresh.tail is not None
    assert (fresh.tail.first, fresh.tail.last, fresh.tail.since is not None) == (1, 5, True)
    bench.anchored().anchor()
    whole = bench.report()
    assert (whole.intact, whole.recorded, whole.signatures, whole.tail) == (True, 1, 2, None)
    bench.more(6, 7)
    later = bench.report()
    assert later.tail is not None
    assert (later.intact, later.tail.first, later.tail.last) == (True, 6, 7)


def test_an_anchor_whose_local_record_was_lost_in_a_crash_still_counts(bench: Bench) -> None:
    entries, digest = bench.broker.ledger.head()
    signed = bench.signer.sign(bench.anchored().message(entries, digest))
    bench.anchors.write(Anchor(entries, digest.hex(), signed.text, signed.key_version, NOW, LEDGER))
    report = bench.report()
    assert (report.intact, report.recorded, report.tail) == (True, 0, None)


FORGED = "vault:v1:" + "A" * 86 + "=="


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b: b.at_the_authority(signature=FORGED), "was not signed by its key"),
        (lambda b: b.at_the_authority(signature="nonsense"), "was not signed by its key"),
        (lambda b: b.at_the_authority(digest="00" * 32), "is not the one that the authority anchored"),
        (lambda b: b.at_the_authority(digest="not hexadecimal"), "is not the one that the authority anchored"),
        (lambda b: b.at_the_authority(sequence=99), "cut or replaced"),
        (lambda b: b.at_the_authority(sequence=2), "set back"),
        (lambda b: b.at_the_authority(ledger="another"), "of ledger another"),
        (lambda b: b.engine.delete_metadata(MOUNT, "anchors/local_ledger"), "the authority has none"),
        (lambda b: b.engine.write(MOUNT, "anchors/local_ledger", {"x": "y"}, 1), "not a document of Lockstep"),
    ],
)
def test_what_was_done_to_the_authoritys_anchor_is_found(
    bench: Bench, change: Callable[[Bench], None], says: str
) -> None:
    bench.anchored().anchor()
    change(bench)
    assert says in problems(bench.report())


def test_an_anchor_of_the_release_before_is_held_against_the_ledger(bench: Bench) -> None:
    """It was kept in one place for all installations; another one's is neither proof nor contradiction."""
    bench.anchored().anchor()
    found = bench.engine.read(MOUNT, anchor_name())
    assert found is not None
    assert found.data is not None
    bench.engine.delete_metadata(MOUNT, anchor_name())
    bench.engine.delete_metadata(MOUNT, "anchors/ledger")
    bench.engine.write(MOUNT, "anchors/ledger", found.data, 0)
    report = bench.report()
    assert (report.intact, report.tail) == (True, None)
    bench.engine.write(MOUNT, "anchors/ledger", {**found.data, "ledger": "another"}, 1)
    assert "the authority has none" in problems(bench.report())
    bench.engine.delete_metadata(MOUNT, "anchors/ledger")


@pytest.mark.parametrize(
    ("number", "hash_", "signature", "says"),
    [
        (2, None, FORGED, "the recorded anchor of entry 2 was not signed"),
        (2, bytes(32), FORGED, "the recorded anchor of entry 2 was not signed"),
        (99, None, FORGED, "the recorded anchor of entry 99 was not signed"),
    ],
)
def test_a_forged_record_of_an_anchor_is_found(
    bench: Bench, number: int, hash_: bytes | None, signature: str, says: str
) -> None:
    bench.anchored().anchor()
    _, head = bench.broker.ledger.head()
    bench.broker.ledger.record_anchor(number, hash_ or head, signature, 1, 1, at=0).result(DEADLINE)
    assert says in problems(bench.report())


@pytest.mark.parametrize(("number", "says"), [(2, "rewritten or replaced"), (99, "was cut to 5 entries")])
def test_an_honest_anchor_over_another_ledger_is_found(bench: Bench, number: int, says: str) -> None:
    signed = bench.signer.sign(bench.anchored().message(number, bytes(32)))
    bench.broker.ledger.record_anchor(number, bytes(32), signed.text, 1, 1, at=0).result(DEADLINE)
    assert says in problems(bench.report())


def test_a_rewritten_ledger_is_never_vouched_for_again(bench: Bench) -> None:
    bench.anchored().anchor()
    bench.at_the_authority(digest="00" * 32)
    bench.more(6)
    with pytest.raises(Reject, match="not the one that the authority anchored"):
        bench.anchored().anchor()


def test_a_state_set_up_anew_begins_its_own_record(bench: Bench) -> None:
    bench.anchored("fedcba9876543210").anchor()
    assert "set up anew" in problems(bench.report())
