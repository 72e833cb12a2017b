"""One suite each for `Rotations`, `Pending` and `Proofs`: the fakes and the real OpenBao do the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.references import ManifestRef, PathRef, Version
from functions._failures import Conflict, Reject
from functions._manifests.rotation import LeakPolicy
from functions._rotations import Holder, Next, Pending, Proof, Proofs, Record, Rotations, Staged, Terms, Trouble
from functions._values import SecretValue
from infra.stores.vault.documents import name_of
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.pending import VaultPending
from infra.stores.vault.proofs import VaultProofs
from infra.stores.vault.rotations import VaultRotations
from tests.fakes.rotations import FakePending, FakeProofs, FakeRotations
from tests.openbao import OpenBao

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
VERSION = Version(number=3, created=NOW, id="i")


@dataclass
class Bench:
    rotations: Rotations
    pending: Pending
    proofs: Proofs
    run: str  # the server is shared: other tests' documents are there too

    def path(self, name: str) -> PathRef:
        return PathRef(mount="secret", path=f"run-{self.run}/{name}")

    def record(self, name: str) -> Record:
        return Record(
            path=self.path(name), id="0" * 32,
            manifest=ManifestRef(kind="Rotation", namespace="team", name="db"), attempt=1, policy="planned",
            phase="requested", base=None, began=NOW, entered=NOW, by="schedule",
            terms=Terms(target="postgres", strategy="single", accounts=("orders",)),
        )  # fmt: skip

    def full(self, name: str) -> Record:
        return replace(
            self.record(name), attempt=7, policy="leak", phase="promoted", base=VERSION,
            entered=NOW + timedelta(seconds=1), by="token:ci",
            terms=Terms(
                target="aws", strategy="alternating", accounts=("a", "b"), properties={"password": "pass-word"},
                grace=12.5, evidence="seen", leak=LeakPolicy(response="revoke-first", deadline=1.25),
            ),
            old=Holder("a", "key-1", VERSION), new=Holder("b"), staged=VERSION, promoted=VERSION, regenerated=True,
            revoked_first=True, conflicts=2,
            trouble=Trouble("target-unavailable", NOW, 3, told=True, detail="no answer"),
            orphans=(Holder("c", "key-2"), Holder("d", "", VERSION)), following=Next("leak", VERSION, 2, "uid:0"),
            ending="aborted", evidenced=NOW, evidence="seen", proof="refused", told=True, ender="a", due=NOW,
        )  # fmt: skip

    def staged(self, name: str) -> Staged:
        data = {"password": SecretValue.of('p\u00e4ss "w\\ord\n'), "empty": SecretValue.of("")}
        return Staged(self.path(name), "0" * 32, Holder("orders", "id", VERSION), data)

    def proof(self, name: str) -> Proof:
        return Proof(self.path(name), "0" * 32, VERSION, NOW)


def prove(bench: Bench, proof: Proof) -> None:
    with bench.proofs.writing(proof) as kept:
        kept()


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    run = uuid4().hex[:12]
    if request.param == "fake":
        yield Bench(FakeRotations(), FakePending(), FakeProofs(), run)
        return
    openbao = request.getfixturevalue("openbao")
    yield kept(openbao, run)
    openbao.forget("rotations", "pending", "proofs")


def kept(openbao: OpenBao, run: str) -> Bench:
    engine = KvEngine(openbao.admin())
    return Bench(VaultRotations(engine), VaultPending(engine), VaultProofs(engine), run)


# --- records -------------------------------------------------------------------------------------------------------


def test_no_record(bench: Bench) -> None:
    assert bench.rotations.read(bench.path("a")) is None
    assert bench.path("a") not in bench.rotations.paths()


@pytest.mark.parametrize("which", ["record", "full"])
def test_a_record_is_read_as_it_was_written(bench: Bench, which: str) -> None:
    record = bench.record("a") if which == "record" else bench.full("a")
    first = bench.rotations.write(record)
    assert first.revision > 0
    assert first == replace(record, revision=first.revision)
    assert bench.rotations.read(bench.path("a")) == first


def test_paths_are_those_with_a_record_ordered(bench: Bench) -> None:
    for name in ("b", "a/deep", "a"):
        bench.rotations.write(bench.record(name))
    ours = [path for path in bench.rotations.paths() if path.path.startswith(f"run-{bench.run}/")]
    assert ours == [bench.path("a"), bench.path("a/deep"), bench.path("b")]


def test_a_record_is_set_against_the_revision_that_was_read(bench: Bench) -> None:
    first = bench.rotations.write(bench.record("a"))
    with pytest.raises(Conflict):
        bench.rotations.write(bench.record("a"))
    second = bench.rotations.write(replace(first, phase="staged"))
    with pytest.raises(Conflict):
        bench.rotations.write(first)
    assert bench.rotations.read(bench.path("a")) == second


# --- staged values -------------------------------------------------------------------------------------------------


def test_nothing_is_staged(bench: Bench) -> None:
    assert bench.pending.read(bench.path("a")) is None


def test_a_staged_value_is_read_as_it_was_written_and_shows_nowhere(bench: Bench) -> None:
    made = bench.pending.create(bench.staged("a"))
    found = bench.pending.read(bench.path("a"))
    assert found == made == replace(bench.staged("a"), version=made.version)
    assert made.version is not None
    assert "ord" not in repr(found).replace("orders", "")


def test_a_value_is_staged_only_where_none_is(bench: Bench) -> None:
    made = bench.pending.create(bench.staged("a"))
    with pytest.raises(Conflict):
        bench.pending.create(replace(bench.staged("a"), rotation="1" * 32))
    assert bench.pending.read(bench.path("a")) == made


def test_a_staged_value_is_removed_and_another_staged(bench: Bench) -> None:
    made = bench.pending.create(bench.staged("a"))
    bench.pending.remove(bench.path("a"), made.version)
    bench.pending.remove(bench.path("a"), made.version)
    assert bench.pending.read(bench.path("a")) is None
    again = bench.pending.create(replace(bench.staged("a"), rotation="1" * 32))
    assert bench.pending.read(bench.path("a")) == again
    for other in (made.version, None):
        with pytest.raises(Conflict):
            bench.pending.remove(bench.path("a"), other)
    assert bench.pending.read(bench.path("a")) == again


# --- proofs --------------------------------------------------------------------------------------------------------


def test_nothing_is_proven(bench: Bench) -> None:
    assert bench.proofs.read(bench.path("a")) is None


def test_a_proof_replaces_the_former(bench: Bench) -> None:
    prove(bench, bench.proof("a"))
    assert bench.proofs.read(bench.path("a")) == bench.proof("a")
    newer = replace(bench.proof("a"), staged=Version(number=4, created=NOW), at=NOW + timedelta(minutes=1))
    prove(bench, newer)
    assert bench.proofs.read(bench.path("a")) == newer


# --- side by side ----------------------------------------------------------------------------------------------------


def test_what_is_asked_for_at_once_is_as_when_it_is_read(bench: Bench) -> None:
    at = bench.path("a")
    with bench.pending.reading(at) as staged, bench.proofs.reading(at) as proof:
        assert (staged(), proof()) == (None, None)
    made = bench.pending.create(bench.staged("a"))
    prove(bench, bench.proof("a"))
    with bench.pending.reading(at) as staged, bench.proofs.reading(at) as proof:
        assert (proof(), staged()) == (bench.proof("a"), made)
    with bench.pending.reading(at), bench.proofs.reading(at):
        pass  # nobody waits for it
    assert bench.pending.read(at) == made
    with bench.rotations.reading(at) as record, bench.rotations.reading(bench.path("b")) as other:
        assert (other(), record()) == (None, None)
    written = bench.rotations.write(bench.record("a"))
    with bench.rotations.reading(at) as record:
        assert record() == written


@pytest.mark.parametrize("there", [False, True])
def test_staging_beside_other_writes_is_staging(bench: Bench, there: bool) -> None:
    known = bench.pending.create(replace(bench.staged("a"), rotation="1" * 32)) if there else None
    with bench.pending.creating(bench.staged("a")) as created:
        prove(bench, bench.proof("a"))
        if known is not None:
            with pytest.raises(Conflict):
                created()
        else:
            known = created()
    assert bench.pending.read(bench.path("a")) == known
    assert bench.proofs.read(bench.path("a")) == bench.proof("a")


def test_whoever_has_the_turn_of_a_path_keeps_nobody_from_another(bench: Bench) -> None:
    with bench.rotations.turn(bench.path("a")), bench.rotations.turn(bench.path("b")):
        assert bench.rotations.read(bench.path("a")) is None


@pytest.mark.e2e
def test_staging_proving_and_removing_make_few_requests(real: Bench, openbao: OpenBao) -> None:
    made = real.pending.create(real.staged("a"))
    prove(real, real.proof("a"))
    openbao.calls.clear()
    prove(real, real.proof("a"))
    assert [kind for _, kind in openbao.calls] == ["write"]
    openbao.calls.clear()
    real.pending.remove(real.path("a"), made.version)
    assert [kind for _, kind in openbao.calls] == ["metadata", "delete"]


@pytest.mark.e2e
def test_a_proof_that_others_wrote_meanwhile_is_replaced(real: Bench, openbao: OpenBao) -> None:
    prove(real, real.proof("a"))
    other = kept(openbao, real.run)
    prove(other, replace(real.proof("a"), rotation="1" * 32))
    prove(real, real.proof("a"))
    assert other.proofs.read(real.path("a")) == real.proof("a")


# --- what people do to documents -----------------------------------------------------------------------------------


@pytest.fixture
def real(openbao: OpenBao) -> Iterator[Bench]:
    yield kept(openbao, uuid4().hex[:12])
    openbao.forget("rotations", "pending", "proofs")


@pytest.fixture
def engine(openbao: OpenBao) -> KvEngine:
    return KvEngine(openbao.admin())


@pytest.mark.e2e
def test_what_is_no_text_cannot_be_staged(real: Bench) -> None:
    with pytest.raises(Reject, match="UTF-8") as refused:
        real.pending.create(replace(real.staged("a"), data={"key": SecretValue(b"\xff\xfehidden")}))
    assert "hidden" not in str(refused.value)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "newer release"),
        ({"schema": "1"}, "no document|not a document"),
        ({"phase": "perhaps"}, "malformed"),
        ({"attempt": "1"}, "malformed"),
        ({"regenerated": "true"}, "malformed"),
        ({"began": "2026-01-02T03:04:05"}, "malformed"),
        ({"base": {"number": 0, "created": "2026-01-02T03:04:05Z"}}, "malformed"),
        ({"path": "somewhere/else"}, "somebody moved it"),
    ],
)
def test_a_spoilt_record_is_refused(real: Bench, engine: KvEngine, change: dict[str, object], message: str) -> None:
    written = real.rotations.write(real.record("a"))
    name = name_of("rotations", real.path("a"))
    found = engine.read("lockstep", name)
    assert found is not None
    assert found.data is not None
    engine.write("lockstep", name, {**found.data, **change}, written.revision)
    with pytest.raises(Reject, match=message):
        real.rotations.read(real.path("a"))


@pytest.mark.e2e
def test_a_trouble_that_the_version_before_wrote_has_no_detail(real: Bench, engine: KvEngine) -> None:
    known = Trouble("target-unavailable", NOW, 3, told=True, detail="no answer")
    written = real.rotations.write(replace(real.record("a"), trouble=known))
    name = name_of("rotations", real.path("a"))
    found = engine.read("lockstep", name)
    assert found is not None
    assert found.data is not None
    trouble = {member: value for member, value in found.data["trouble"].items() if member != "detail"}
    engine.write("lockstep", name, {**found.data, "trouble": trouble}, written.revision)
    read = real.rotations.read(real.path("a"))
    assert read is not None
    assert read.trouble == replace(known, detail="")


@pytest.mark.e2e
def test_a_record_that_people_deleted_is_made_again(real: Bench, engine: KvEngine) -> None:
    first = real.rotations.write(real.record("a"))
    engine.delete("lockstep", name_of("rotations", real.path("a")), (first.revision,))
    assert real.rotations.read(real.path("a")) is None
    again = real.rotations.write(real.full("a"))
    assert real.rotations.read(real.path("a")) == again


@pytest.mark.e2e
def test_a_staged_value_leaves_no_history(real: Bench, engine: KvEngine) -> None:
    name = name_of("pending", real.path("a"))
    made = real.pending.create(real.staged("a"))
    assert made.version is not None
    engine.delete("lockstep", name, (made.version.number,))  # killed between deleting and forgetting
    again = real.pending.create(real.staged("a"))
    real.pending.remove(real.path("a"), again.version)
    assert engine.metadata("lockstep", name) is None


@pytest.mark.e2e
def test_names_show_no_path(real: Bench, engine: KvEngine) -> None:
    real.rotations.write(real.record("a"))
    assert not any(real.run in name for name in engine.list("lockstep", "rotations"))
