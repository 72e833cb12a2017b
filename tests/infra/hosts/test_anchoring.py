"""The ledger's anchor: one suite for `Ledger`, and the real one against a real OpenBao."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions._failures import Conflict, Reject, Unavailable
from functions._ports import Ledger
from infra.broker.broker import Broker
from infra.broker.errors import BrokerFullError
from infra.hosts.anchoring import AnchoredLedger
from infra.stores.vault.anchors import Anchor, VaultAnchors, anchor_name
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.transit import TransitSigner
from tests.fakes.local import FakeLedger
from tests.infra.broker.kit import SOURCE, Scripted, event, running
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(tmp_path, {"sub": Scripted()}) as found:
        yield found


FORMER = "anchors/ledger"  # where the release before kept the anchor, whichever installation it was of


@pytest.fixture
def engine(openbao: OpenBao) -> KvEngine:
    return KvEngine(openbao.admin())


@pytest.fixture
def anchors(engine: KvEngine) -> VaultAnchors:
    for name in (anchor_name(), FORMER):
        engine.delete_metadata("lockstep", name)
    return VaultAnchors(engine)


@pytest.fixture
def signer(openbao: OpenBao) -> TransitSigner:
    return TransitSigner(openbao.admin())


@pytest.fixture
def ledger(broker: Broker, anchors: VaultAnchors, signer: TransitSigner) -> AnchoredLedger:
    return AnchoredLedger(broker.ledger, anchors, signer, "ours", lambda: NOW)


def append(broker: Broker, *numbers: int) -> None:
    for number in numbers:
        broker.accept(event(number), SOURCE).result(timeout=20)


@pytest.mark.parametrize("kind", ["fake", "openbao"])
def test_anchoring_is_harmless_however_often(kind: str, request: pytest.FixtureRequest) -> None:
    port: Ledger = FakeLedger() if kind == "fake" else request.getfixturevalue("ledger")
    for _ in range(3):
        port.anchor()


def test_an_empty_ledger_is_not_anchored(ledger: AnchoredLedger, anchors: VaultAnchors) -> None:
    ledger.anchor()
    assert anchors.read() is None


def test_the_head_is_signed_kept_and_recorded(
    broker: Broker, ledger: AnchoredLedger, anchors: VaultAnchors, signer: TransitSigner
) -> None:
    append(broker, 1, 2)
    ledger.anchor()
    sequence, digest = broker.ledger.head()
    found = anchors.read()
    assert found is not None
    assert (found.sequence, found.digest, found.ledger, found.anchored) == (sequence, digest.hex(), "ours", NOW)
    assert signer.verify(ledger.message(sequence, digest), found.signature)
    assert not signer.verify(ledger.message(sequence + 1, digest), found.signature)
    (recorded,) = broker.ledger.anchors()
    assert (recorded.n, recorded.hash, recorded.signature) == (sequence, digest, found.signature)
    assert (recorded.authority_version, recorded.at) == (found.revision, int(NOW.timestamp() * 1_000_000))


def test_nothing_new_asks_for_no_signature(openbao: OpenBao, broker: Broker, ledger: AnchoredLedger) -> None:
    append(broker, 1)
    ledger.anchor()
    openbao.calls.clear()
    ledger.anchor()
    assert [kind for _, kind in openbao.calls if kind == "sign"] == []
    assert len(broker.ledger.anchors()) == 1


def test_one_anchor_covers_everything_since_the_last(
    broker: Broker, ledger: AnchoredLedger, anchors: VaultAnchors
) -> None:
    append(broker, 1)
    ledger.anchor()
    append(broker, 2, 3, 4)
    ledger.anchor()
    assert broker.ledger.anchors()[0].n == 1
    found = anchors.read()
    assert found is not None
    assert found.sequence == broker.ledger.head()[0]


def test_a_ledger_that_was_cut_is_not_vouched_for(
    tmp_path: Path, broker: Broker, ledger: AnchoredLedger, anchors: VaultAnchors, signer: TransitSigner
) -> None:
    append(broker, 1, 2, 3)
    ledger.anchor()
    before = anchors.read()
    for entries in ((), (1,)):
        folder = tmp_path / f"cut-{len(entries)}"
        folder.mkdir()
        with running(folder, {"sub": Scripted()}) as cut:
            append(cut, *entries)
            with pytest.raises(Reject, match="it was cut or replaced; keep both and run `lockstep audit verify`"):
                AnchoredLedger(cut.ledger, anchors, signer, "ours", lambda: NOW).anchor()
    assert anchors.read() == before


def test_a_ledger_that_was_rewritten_is_not_vouched_for(
    tmp_path: Path, broker: Broker, ledger: AnchoredLedger, anchors: VaultAnchors, signer: TransitSigner
) -> None:
    append(broker, 1, 2)
    ledger.anchor()
    before = anchors.read()
    (tmp_path / "other").mkdir()
    with running(tmp_path / "other", {"sub": Scripted()}) as other:
        append(other, 7, 8, 9, 10)
        with pytest.raises(Reject, match="rewritten or replaced"):
            AnchoredLedger(other.ledger, anchors, signer, "ours", lambda: NOW).anchor()
    assert anchors.read() == before


def test_two_that_anchor_at_once_raise_no_false_alarm(
    broker: Broker, engine: KvEngine, signer: TransitSigner, ledger: AnchoredLedger
) -> None:
    """Between our look at the ledger and at the anchor, somebody else anchors more than we have seen."""

    class Overtaken(VaultAnchors):
        def read(self, ledger_id: str = "") -> Anchor | None:
            append(broker, 10)
            ledger.anchor()
            return super().read(ledger_id)

    append(broker, 1)
    AnchoredLedger(broker.ledger, Overtaken(engine), signer, "ours", lambda: NOW).anchor()


def test_of_many_that_anchor_at_once_none_contradicts_another(broker: Broker, ledger: AnchoredLedger) -> None:
    outcomes: list[BaseException | None] = []

    def work(number: int) -> None:
        append(broker, number)
        try:
            ledger.anchor()
        except (Conflict, Reject, Unavailable) as failure:
            outcomes.append(failure)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6
    assert not [failure for failure in outcomes if isinstance(failure, Reject)]
    ledger.anchor()


def test_where_the_anchor_cannot_be_recorded(
    broker: Broker, ledger: AnchoredLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(broker, 1)
    full: Future[None] = Future()
    full.set_exception(BrokerFullError("the disk is full"))
    monkeypatch.setattr(broker.ledger, "record_anchor", lambda *_, **__: full)
    with pytest.raises(Unavailable, match="the disk is full"):
        ledger.anchor()
    monkeypatch.undo()
    append(broker, 2)
    ledger.anchor()
    assert len(broker.ledger.anchors()) == 1


def test_an_anchor_that_somebody_deleted_is_said_until_it_is_back(
    broker: Broker, engine: KvEngine, anchors: VaultAnchors, ledger: AnchoredLedger
) -> None:
    append(broker, 1)
    ledger.anchor()
    found = anchors.read()
    assert found is not None
    engine.delete("lockstep", "anchors/local_ledger", (found.revision,))
    append(broker, 2)
    for _ in range(2):
        with pytest.raises(Reject, match=r"deleted at the authority: find out by whom, and undelete it there"):
            ledger.anchor()


# --- several installations, and the release before --------------------------------------------------------------------


def test_two_installations_on_one_authority_have_an_anchor_each(
    tmp_path: Path, engine: KvEngine, signer: TransitSigner
) -> None:
    names = ("blue", "green")
    for name in names:
        engine.delete_metadata("lockstep", anchor_name(name))
        (tmp_path / name).mkdir()
    first, second = (running(tmp_path / name, {"sub": Scripted()}) for name in names)
    with first as one, second as two:
        both = [
            AnchoredLedger(broker.ledger, VaultAnchors(engine, cluster=name), signer, f"ledger-{name}", lambda: NOW)
            for broker, name in zip((one, two), names, strict=True)
        ]
        for round_ in (1, 2, 3):
            for broker, ledger in zip((one, two), both, strict=True):
                append(broker, round_)
                ledger.anchor()
    found = [VaultAnchors(engine, cluster=name).read() for name in names]
    assert [(one.ledger, one.sequence, one.revision) for one in found if one] == [
        ("ledger-blue", 3, 3), ("ledger-green", 3, 3),
    ]  # fmt: skip


def kept_before(engine: KvEngine, signer: TransitSigner, ledger: AnchoredLedger, broker: Broker, name: str) -> None:
    """The anchor of everything so far, where the release before wrote it."""
    engine.delete_metadata("lockstep", FORMER)
    sequence, digest = broker.ledger.head()
    document = {
        "schema": 1, "sequence": sequence, "digest": digest.hex(), "key_version": 1, "anchored": NOW.isoformat(),
        "signature": signer.sign(ledger.message(sequence, digest)).text, "ledger": name,
    }  # fmt: skip
    engine.write("lockstep", FORMER, document, 0)


def test_the_anchor_of_the_release_before_is_followed_by_one_of_the_clusters_own(
    broker: Broker, engine: KvEngine, anchors: VaultAnchors, signer: TransitSigner, ledger: AnchoredLedger
) -> None:
    append(broker, 1, 2)
    kept_before(engine, signer, ledger, broker, "ours")
    found = anchors.read("ours")
    assert found is not None
    assert (found.sequence, found.revision) == (2, 0)
    ledger.anchor()
    assert anchors.read() is None, "nothing moved, so nothing is written"
    append(broker, 3)
    ledger.anchor()
    own = anchors.read("ours")
    assert own is not None
    assert (own.sequence, own.revision, own.ledger) == (3, 1, "ours")
    former = engine.read("lockstep", FORMER)
    assert former is not None
    assert former.number == 1, "it stays, for whoever goes back"


def test_a_ledger_that_was_cut_is_found_by_the_anchor_of_the_release_before(
    tmp_path: Path, broker: Broker, anchors: VaultAnchors, signer: TransitSigner, ledger: AnchoredLedger
) -> None:
    append(broker, 1, 2, 3)
    kept_before(anchors._engine, signer, ledger, broker, "ours")
    (tmp_path / "another").mkdir()
    with running(tmp_path / "another", {"sub": Scripted()}) as shorter:
        append(shorter, 1)
        with pytest.raises(Reject, match="cut or replaced"):
            AnchoredLedger(shorter.ledger, anchors, signer, "ours", lambda: NOW).anchor()


def test_the_former_anchor_of_another_installation_is_none_of_ours(
    broker: Broker, engine: KvEngine, anchors: VaultAnchors, signer: TransitSigner, ledger: AnchoredLedger
) -> None:
    append(broker, 1, 2)
    kept_before(engine, signer, ledger, broker, "somebody else's")
    assert anchors.read("ours") is None
    ledger.anchor()
    own = anchors.read()
    assert own is not None
    assert own.revision == 1


def test_another_writer_of_the_anchor_wins_once(
    broker: Broker, engine: KvEngine, anchors: VaultAnchors, signer: TransitSigner, ledger: AnchoredLedger
) -> None:
    class Stale(VaultAnchors):
        def read(self, ledger: str = "") -> Anchor | None:
            found = super().read(ledger)
            return replace(found, revision=found.revision - 1) if found else None

    append(broker, 1)
    ledger.anchor()
    append(broker, 2)
    before = anchors.read()
    with pytest.raises(Conflict):
        AnchoredLedger(broker.ledger, Stale(engine), signer, "ours", lambda: NOW).anchor()
    assert anchors.read() == before
