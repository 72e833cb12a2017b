"""One suite each for `Leaks`, `FingerprintIndex` and `Fingerprints`: the fakes and the real OpenBao do the same."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.leak import Exposure
from events.references import PathRef, Version
from functions import BY_NAME
from functions._failures import Conflict, Reject, Unavailable
from functions._leaks import (
    SETTLED,
    FingerprintIndex,
    Fingerprints,
    Happening,
    Indexed,
    IndexedVersion,
    Leak,
    Leaks,
    Sighting,
)
from functions._values import SecretValue
from infra.deploy.vault_policies import WiredPaths, render
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.fingerprints import TransitFingerprints, VaultFingerprintIndex
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.leaks import VaultLeaks
from tests.fakes.leaks import FakeFingerprintIndex, FakeFingerprints, FakeLeaks
from tests.openbao import OpenBao

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
VERSION = Version(number=3, created=NOW)


@dataclass
class Bench:
    leaks: Leaks
    other: Leaks  # somebody else's, of the same records
    index: FingerprintIndex
    fingerprints: Fingerprints
    run: str  # the server is shared: other tests' documents are there too

    def path(self, name: str) -> PathRef:
        return PathRef(mount="secret", path=f"{self.run}/{name}")

    @property
    def id(self) -> str:
        return self.run.ljust(32, "0")

    def leak(self) -> Leak:
        path = self.path("orders")
        exposure = Exposure(path=path, key="password", version=VERSION, standing="rotating")
        return Leak(
            id=self.id, reporters=("reporter:prometheus", "operator:1000"), via="alertmanager", noticed=NOW,
            received=NOW, detector="SecretInLog", place="a log; `rm -rf /`", path=path, key="password", version=3,
            fingerprint=f"v1.{'ab' * 32}", state="confirmed", match="fingerprint", exposures=(exposure,),
            consumers=("orders/database",), held="budget", decided_by="triage", attested_by="operator:1000",
            resolved=NOW, contained=NOW, missing=("something",), told=True, pinned=VERSION, joined=("a" * 32,),
            attempts={str(path): 2},
            timeline=(Happening(NOW, "reported", "reporter:prometheus", "x"),), due=NOW + timedelta(minutes=1),
        )  # fmt: skip

    def print_of(self, text: str) -> str:
        (found,) = self.fingerprints.of("leak", (SecretValue.of(f"{self.run} {text}"),))
        return found


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    run = uuid4().hex[:12]
    if request.param == "fake":
        leaks = FakeLeaks()
        yield Bench(leaks, leaks, FakeFingerprintIndex(), FakeFingerprints(), run)
        return
    openbao: OpenBao = request.getfixturevalue("openbao")
    client = openbao.admin()
    engine = KvEngine(client)
    index = VaultFingerprintIndex(engine, cluster=f"c{run}")
    yield Bench(VaultLeaks(engine), VaultLeaks(engine), index, TransitFingerprints(client), run)


# --- records ---------------------------------------------------------------------------------------------------------


def test_no_record(bench: Bench) -> None:
    assert bench.leaks.read(bench.id) is None
    assert bench.id not in bench.leaks.ids()


def test_a_record_is_read_as_it_was_written(bench: Bench) -> None:
    first = bench.leaks.write(bench.leak())
    assert first.revision > 0
    assert bench.leaks.read(bench.id) == first
    bare = replace(
        first, path=None, key=None, version=None, fingerprint=None, exposures=(), resolved=None, contained=None,
        due=None, pinned=None, attempts={}, joined=(),
    )  # fmt: skip
    second = bench.leaks.write(bare)
    assert bench.leaks.read(bench.id) == second
    assert bench.id in bench.leaks.ids()


def test_a_record_is_set_against_the_revision_that_was_read(bench: Bench) -> None:
    first = bench.leaks.write(bench.leak())
    with pytest.raises(Conflict):
        bench.leaks.write(bench.leak())
    second = bench.leaks.write(first)
    with pytest.raises(Conflict):
        bench.leaks.write(first)
    assert bench.leaks.read(bench.id) == second


def test_what_is_open_about_a_path(bench: Bench) -> None:
    path, other = bench.path("a"), "f" * 32
    assert bench.leaks.of_path(path) == ()
    for leak in (other, bench.id, other):
        bench.leaks.link(path, leak)
    assert bench.leaks.of_path(path) == tuple(sorted((bench.id, other)))
    for leak in (other, other):
        bench.leaks.unlink(path, leak)
    assert bench.leaks.of_path(path) == (bench.id,)
    assert bench.leaks.of_path(bench.path("b")) == ()


def test_what_others_changed_since_a_path_was_read_stays(bench: Bench) -> None:
    path, theirs = bench.path("a"), "f" * 32
    assert bench.leaks.of_path(path) == ()
    bench.other.link(path, theirs)
    bench.leaks.link(path, bench.id)
    assert bench.leaks.of_path(path) == tuple(sorted((bench.id, theirs)))
    bench.other.unlink(path, bench.id)
    bench.leaks.link(path, bench.id)  # it was there when the path was read
    assert bench.other.of_path(path) == tuple(sorted((bench.id, theirs)))


def test_what_was_contained_is_open_no_more_and_found_by_its_path(bench: Bench) -> None:
    path, ids = bench.path("a"), [f"{number:032x}" for number in range(SETTLED + 2)]
    bench.leaks.link(path, bench.id)
    for leak in (bench.id, bench.id):
        bench.leaks.settle(path, leak)
    assert bench.leaks.of_path(path) == ()
    assert bench.leaks.settled(path) == (bench.id,)
    for leak in ids:
        bench.leaks.settle(path, leak)
    assert bench.leaks.settled(path) == tuple(ids[-SETTLED:])
    bench.leaks.link(path, ids[-1])
    assert bench.leaks.of_path(path) == (ids[-1],)
    assert bench.leaks.settled(path) == tuple(ids[-SETTLED:])


def test_a_record_is_forgotten_if_it_is_still_the_one_that_was_read(bench: Bench) -> None:
    first = bench.leaks.write(bench.leak())
    second = bench.leaks.write(first)
    with pytest.raises(Conflict):
        bench.leaks.remove(first)
    assert bench.leaks.read(bench.id) == second
    for _ in range(2):
        bench.leaks.remove(second)
    assert bench.leaks.read(bench.id) is None
    assert bench.id not in bench.leaks.ids()
    again = bench.leaks.write(bench.leak())
    assert bench.leaks.read(bench.id) == again


# --- the index -------------------------------------------------------------------------------------------------------


def test_where_a_value_is(bench: Bench) -> None:
    one, two = bench.print_of("one"), bench.print_of("two")
    first, second = Sighting(bench.path("a"), "password", VERSION), Sighting(bench.path("b"), "admin", VERSION)
    assert bench.index.find(one) == ()
    for sighting in (second, first, second):
        bench.index.add(one, sighting)
    bench.index.add(two, first)
    assert bench.index.find(one) == (first, second)
    bench.index.drop(one, first)
    bench.index.drop(one, first)
    assert bench.index.find(one) == (second,)
    assert bench.index.find(two) == (first,)


def test_what_is_known_of_a_path(bench: Bench) -> None:
    path = bench.path("a")
    assert bench.index.read(path) is None
    former = Version(number=2, created=NOW - timedelta(days=1))
    versions = {
        2: IndexedVersion(former, {}, revoked=True, looked=False),
        3: IndexedVersion(VERSION, {"password": bench.print_of("one")}, remembered={"password": f"v1.{'cd' * 32}"}),
    }
    first = bench.index.write(Indexed(path, versions))
    found = bench.index.read(path)
    assert found == first
    assert found is not None
    assert found.held(VERSION) == versions[3]
    assert found.held(Version(number=3, created=NOW + timedelta(seconds=1))) is None
    with pytest.raises(Conflict):
        bench.index.write(Indexed(path))
    assert bench.index.write(replace(first, versions={})).revision > first.revision


def test_what_is_asked_for_at_once_is_as_when_it_is_read(bench: Bench) -> None:
    path = bench.path("a")
    with bench.index.reading(path) as indexed, bench.leaks.reading_of_path(path) as findings:
        assert (findings(), indexed()) == ((), None)
    bench.leaks.link(path, bench.id)
    made = bench.index.write(Indexed(path))
    with bench.index.reading(path) as indexed, bench.leaks.reading_of_path(path) as findings:
        assert (indexed(), findings()) == (made, (bench.id,))
    theirs = "f" * 32
    with bench.leaks.reading_of_path(path) as findings:
        assert findings() == (bench.id,)
        bench.other.link(path, theirs)
    bench.leaks.unlink(path, bench.id)  # of what was read, which is old
    assert bench.leaks.of_path(path) == (theirs,)
    with bench.index.reading(path), bench.leaks.reading_of_path(path):
        pass  # nobody waits for it
    assert bench.index.read(path) == made


def test_rounds_only_move_on(bench: Bench) -> None:
    assert bench.index.round() is None
    bench.index.rounded(NOW)
    bench.index.rounded(NOW - timedelta(hours=1))
    assert bench.index.round() == NOW
    bench.index.rounded(NOW + timedelta(hours=1))
    assert bench.index.round() == NOW + timedelta(hours=1)


# --- fingerprints ----------------------------------------------------------------------------------------------------


def test_a_fingerprint_tells_values_apart_and_nothing_else(bench: Bench) -> None:
    values = [SecretValue(raw) for raw in (b"one", b"", b"two", b"one", "grüße\n\x00".encode(), b"x" * 70_000)]
    found = bench.fingerprints.of("leak", values)
    assert all(re.fullmatch(r"v1\.[0-9a-f]{64}", one) for one in found)
    assert found[0] == found[3]
    assert len(set(found)) == 5
    assert set(found).isdisjoint(bench.fingerprints.of("revoked", values))
    assert bench.fingerprints.of("leak", ()) == ()


@pytest.mark.parametrize("kind", ["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def test_what_a_former_version_of_the_key_made_can_be_made_again(kind: str, request: pytest.FixtureRequest) -> None:
    fingerprints, new_version = _with_a_key_of_its_own(kind, request)
    values = [SecretValue(b"one"), SecretValue(b"two")]
    before = fingerprints.of("revoked", values)
    new_version()
    after = fingerprints.of("revoked", values)
    assert {one.split(".")[0] for one in before} == {"v1"}
    assert {one.split(".")[0] for one in after} == {"v2"}
    assert fingerprints.of("revoked", values, 1) == before
    assert fingerprints.of("revoked", values, 2) == after


def _with_a_key_of_its_own(
    kind: str, request: pytest.FixtureRequest
) -> tuple[Fingerprints, Callable[[], object]]:  # fmt: skip
    if kind == "fake":
        fake = FakeFingerprints()
        return fake, lambda: setattr(fake, "version", 2)
    openbao: OpenBao = request.getfixturevalue("openbao")
    client, mount = openbao.admin(), f"transit-{uuid4().hex[:12]}"
    client.call("POST", f"sys/mounts/{mount}", body={"type": "transit"}, kind="test")
    client.call("POST", f"{mount}/keys/revoked", body={}, kind="test")
    rotated = lambda: client.call("POST", f"{mount}/keys/revoked/rotate", body={}, kind="test")  # noqa: E731  as the fake's
    return TransitFingerprints(client, mount), rotated


def test_more_than_a_batch(bench: Bench) -> None:
    values = [SecretValue(str(number).encode()) for number in range(450)]
    found = bench.fingerprints.of("leak", values)
    assert len(set(found)) == 450
    assert bench.fingerprints.of("leak", values[440:]) == found[440:]


# --- who may what, at the real one ------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_the_policies_let_each_step_do_its_own(openbao: OpenBao) -> None:
    path = openbao.path()
    wired = WiredPaths(consumed=frozenset({path}))
    clients = {}
    for name in ("index", "triage", "contain", "publish", "materialize"):
        openbao.admit(name, render(BY_NAME[name], wired).text)
        clients[name] = openbao.client(name)
    value = (SecretValue.of("x"),)
    for name, purpose in (("index", "leak"), ("contain", "revoked"), ("publish", "revoked")):
        assert TransitFingerprints(clients[name]).of(purpose, value)  # type: ignore[arg-type]  # one of its words
    for name, purpose in (("triage", "leak"), ("triage", "revoked"), ("publish", "leak"), ("materialize", "leak")):
        with pytest.raises(Unavailable):
            TransitFingerprints(clients[name]).of(purpose, value)  # type: ignore[arg-type]
    indices = {name: VaultFingerprintIndex(KvEngine(client)) for name, client in clients.items()}
    fingerprint = TransitFingerprints(clients["index"]).of("leak", value)[0]
    indices["index"].add(fingerprint, Sighting(path, "x", VERSION))
    assert indices["triage"].find(fingerprint)
    with pytest.raises(Unavailable):
        indices["triage"].drop(fingerprint, Sighting(path, "x", VERSION))
    with pytest.raises(Unavailable):
        indices["publish"].find(fingerprint)
    with pytest.raises(Unavailable):
        VaultAuthority(KvEngine(clients["triage"])).read(path)  # it maps without reading values
    with pytest.raises(Unavailable):
        clients["index"].call("GET", "lockstep-transit/keys/leak", kind="test")


@pytest.mark.e2e
def test_a_missing_key_is_told_with_what_to_do(openbao: OpenBao) -> None:
    admin = openbao.admin()
    mount = f"transit-{uuid4().hex[:8]}"
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "transit"}, kind="test")
    with pytest.raises(Reject, match=r"docs/authority\.md"):
        TransitFingerprints(admin, mount).of("leak", (SecretValue.of("x"),))
