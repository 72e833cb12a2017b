"""One suite for `Authority`: the fake and the real OpenBao do the same."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.references import PathRef, Version
from functions._failures import Conflict, Reject
from functions._ports import Authority, StoredSecret
from functions._values import SecretData, SecretValue
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.kv import KvEngine
from tests.fakes.authority import FakeAuthority
from tests.openbao import OpenBao


class Others(Protocol):
    """What other people do at the authority."""

    def write(self, path: PathRef, data: dict[str, str]) -> None: ...
    def destroy(self, path: PathRef, versions: tuple[int, ...]) -> None: ...
    def undelete(self, path: PathRef, versions: tuple[int, ...]) -> None: ...
    def delete_metadata(self, path: PathRef) -> None: ...


class OthersAtFake:
    def __init__(self, fake: FakeAuthority) -> None:
        self._fake = fake
        self.destroy = fake.destroy
        self.undelete = fake.undelete
        self.delete_metadata = fake.delete_metadata

    def write(self, path: PathRef, data: dict[str, str]) -> None:
        self._fake.foreign_write(path, data)


class OthersAtOpenBao:
    def __init__(self, openbao: OpenBao) -> None:
        self._client = openbao.admin()
        self._engine = KvEngine(self._client)

    def write(self, path: PathRef, data: dict[str, str]) -> None:
        self._client.call("POST", f"{path.mount}/data/{path.path}", body={"data": data}, kind="test")

    def destroy(self, path: PathRef, versions: tuple[int, ...]) -> None:
        body = {"versions": list(versions)}
        self._client.call("PUT", f"{path.mount}/destroy/{path.path}", body=body, kind="test")

    def undelete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        body = {"versions": list(versions)}
        self._client.call("POST", f"{path.mount}/undelete/{path.path}", body=body, kind="test")

    def delete_metadata(self, path: PathRef) -> None:
        self._engine.delete_metadata(path.mount, path.path)


@dataclass
class Bench:
    authority: Authority
    others: Others
    path: PathRef

    def beside(self, path: str) -> PathRef:
        return PathRef(mount=self.path.mount, path=f"{self.path.path}/{path}")


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        fake = FakeAuthority()
        yield Bench(fake, OthersAtFake(fake), PathRef(mount="secret", path="team/app"))
        return
    openbao: OpenBao = request.getfixturevalue("openbao")
    yield Bench(VaultAuthority(KvEngine(openbao.admin())), OthersAtOpenBao(openbao), openbao.path())


def data(**values: str) -> SecretData:
    return {key: SecretValue.of(value) for key, value in values.items()}


def revealed(stored: StoredSecret | None) -> dict[str, str] | None:
    assert stored is not None
    return None if stored.data is None else {key: value.reveal().decode() for key, value in stored.data.items()}


def test_nothing_was_ever_written(bench: Bench) -> None:
    assert bench.authority.read(bench.path) is None
    assert bench.authority.head(bench.path) is None
    assert bench.authority.list(bench.path.mount, bench.path.path) == ()


def test_write_and_read(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(user="a", password="p"), None)
    stored = bench.authority.read(bench.path)
    assert first.number == 1
    assert stored == StoredSecret(bench.path, first, data(user="a", password="p"))


def test_versions_grow_and_their_times_increase(bench: Bench) -> None:
    versions: list[Version] = []
    for number in range(4):
        versions.append(bench.authority.write(bench.path, data(n=str(number)), versions[-1] if versions else None))
    assert [version.number for version in versions] == [1, 2, 3, 4]
    assert all(later.created > earlier.created for earlier, later in itertools.pairwise(versions))


def test_a_write_is_the_whole(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1", b="2"), None)
    bench.authority.write(bench.path, data(b="3"), first)
    assert revealed(bench.authority.read(bench.path)) == {"b": "3"}


@pytest.mark.parametrize("written", [1, 2])
def test_a_write_over_another_base_conflicts(bench: Bench, written: int) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    for _ in range(written):
        bench.others.write(bench.path, {"a": "theirs"})
    with pytest.raises(Conflict, match="read it again"):
        bench.authority.write(bench.path, data(a="ours"), first)
    with pytest.raises(Conflict):
        bench.authority.write(bench.path, data(a="ours"), None)
    assert revealed(bench.authority.read(bench.path)) == {"a": "theirs"}


def test_a_base_where_nothing_is_conflicts(bench: Bench) -> None:
    base = bench.authority.write(bench.path, data(a="1"), None)
    bench.others.delete_metadata(bench.path)
    with pytest.raises(Conflict):
        bench.authority.write(bench.path, data(a="2"), base)


def test_versions_by_identity(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    second = bench.authority.write(bench.path, data(a="2"), first)
    assert revealed(bench.authority.read(bench.path, first)) == {"a": "1"}
    assert revealed(bench.authority.read(bench.path, second)) == {"a": "2"}
    assert bench.authority.read(bench.path, Version(number=7, created=second.created)) is None
    assert bench.authority.read(bench.path, Version(number=1, created=second.created)) is None


def test_pinned_versions(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    bench.authority.write(bench.path, data(a="2"), first)
    assert revealed(bench.authority.read_pinned(bench.path, "1")) == {"a": "1"}
    assert bench.authority.read_pinned(bench.path, "9") is None
    for pin in ("", "0", "-1", "01", "latest", "1&version=2", "9" * 40):
        with pytest.raises(Reject, match="version"):
            bench.authority.read_pinned(bench.path, pin)


def test_soft_deletion_and_a_newer_write(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    bench.authority.delete(bench.path, (1,))
    stored = bench.authority.read(bench.path)
    assert stored == StoredSecret(bench.path, first, None)
    head = bench.authority.head(bench.path)
    assert head is not None
    assert (head.version, head.deleted, head.live) == (first, True, ())
    with pytest.raises(Conflict):  # deletion does not begin the count anew
        bench.authority.write(bench.path, data(a="2"), None)
    second = bench.authority.write(bench.path, data(a="2"), first)
    assert second.number == 2
    assert revealed(bench.authority.read(bench.path)) == {"a": "2"}
    assert revealed(bench.authority.read(bench.path, first)) is None


def test_heads_that_are_asked_for_at_once(bench: Bench) -> None:
    with bench.authority.heading(bench.path) as head:
        assert head() is None
    first = bench.authority.write(bench.path, data(a="1"), None)
    with bench.authority.heading(bench.path) as head, bench.authority.reading(bench.path) as stored:
        assert revealed(stored()) == {"a": "1"}
        assert head() == bench.authority.head(bench.path)
    bench.authority.delete(bench.path, (first.number,))
    with bench.authority.heading(bench.path), bench.authority.heading(bench.path) as head:  # one that nobody waits for
        assert head() == bench.authority.head(bench.path)


def test_deletion_leaves_other_versions(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    second = bench.authority.write(bench.path, data(a="2"), first)
    third = bench.authority.write(bench.path, data(a="3"), second)
    bench.authority.delete(bench.path, (1, 3))
    head = bench.authority.head(bench.path)
    assert head is not None
    assert (head.version, head.deleted, head.live) == (third, True, (2,))
    assert revealed(bench.authority.read(bench.path, second)) == {"a": "2"}


def test_deleting_nothing(bench: Bench) -> None:
    bench.authority.delete(bench.path, (1, 2))
    assert bench.authority.read(bench.path) is None
    first = bench.authority.write(bench.path, data(a="1"), None)
    bench.authority.delete(bench.path, ())
    bench.authority.delete(bench.path, (5,))
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, first, data(a="1"))


def test_undeletion(bench: Bench) -> None:
    bench.authority.write(bench.path, data(a="1"), None)
    bench.authority.delete(bench.path, (1,))
    bench.others.undelete(bench.path, (1,))
    assert revealed(bench.authority.read(bench.path)) == {"a": "1"}


def test_destruction(bench: Bench) -> None:
    first = bench.authority.write(bench.path, data(a="1"), None)
    bench.others.destroy(bench.path, (1,))
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, first, None)
    head = bench.authority.head(bench.path)
    assert head is not None
    assert (head.deleted, head.live) == (True, ())


def test_metadata_deletion_begins_at_one_again(bench: Bench) -> None:
    old = bench.authority.write(bench.path, data(a="1"), None)
    bench.others.delete_metadata(bench.path)
    assert bench.authority.read(bench.path) is None
    new = bench.authority.write(bench.path, data(a="2"), None)
    assert new.number == old.number == 1
    assert new.created > old.created
    assert bench.authority.read(bench.path, old) is None
    assert revealed(bench.authority.read(bench.path, new)) == {"a": "2"}


def test_ten_versions_are_kept(bench: Bench) -> None:
    versions: list[Version] = []
    for number in range(12):
        versions.append(bench.authority.write(bench.path, data(n=str(number)), versions[-1] if versions else None))
    head = bench.authority.head(bench.path)
    assert head is not None
    assert head.live == tuple(range(3, 13))
    assert bench.authority.read(bench.path, versions[1]) is None
    assert revealed(bench.authority.read(bench.path, versions[2])) == {"n": "2"}


def test_list(bench: Bench) -> None:
    names = ("b", "a/deep/er", "a/deep", "a", "gone", "a-sibling")
    for name in names:
        bench.authority.write(bench.beside(name), data(v="1"), None)
    bench.authority.delete(bench.beside("gone"), (1,))
    bench.others.write(bench.path, {"v": "not below itself"})
    listed = bench.authority.list(bench.path.mount, bench.path.path)
    assert listed == tuple(bench.beside(name) for name in sorted(names))
    assert bench.authority.list(bench.path.mount, f"{bench.path.path}/a/") == (
        bench.beside("a/deep"),
        bench.beside("a/deep/er"),
    )
    assert set(listed) <= set(bench.authority.list(bench.path.mount, ""))


def test_large_and_many_values(bench: Bench) -> None:
    large = {"a": SecretValue(b"\x01" * (1024 * 1024)), "empty": SecretValue(b"")}
    version = bench.authority.write(bench.path, large, None)
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, version, large)
    many = {f"key-{number}": SecretValue.of(str(number)) for number in range(3000)}
    version = bench.authority.write(bench.path, many, version)
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, version, many)


def test_values_that_are_too_large(bench: Bench) -> None:
    huge = SecretValue(b"x" * (17 * 1024 * 1024))
    with pytest.raises(Reject, match="larger than the authority accepts"):
        bench.authority.write(bench.path, {"a": huge}, None)
    assert bench.authority.read(bench.path) is None


def test_values_that_are_no_text(bench: Bench) -> None:
    with pytest.raises(Reject, match="b64enc") as caught:
        bench.authority.write(bench.path, {"key": SecretValue(b"canary\xff\xfe")}, None)
    assert "canary" not in "".join(str(part) for part in (caught.value, caught.value.__cause__, caught.value.reason))
    assert bench.authority.read(bench.path) is None


def test_no_values_at_all(bench: Bench) -> None:
    version = bench.authority.write(bench.path, {}, None)
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, version, {})


CHARACTERS = st.characters(codec="utf-8")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.text(CHARACTERS, max_size=20), st.text(CHARACTERS, max_size=60), max_size=4))
def test_any_text_comes_back_unchanged(bench: Bench, values: dict[str, str]) -> None:
    known = bench.authority.read(bench.path)
    version = bench.authority.write(bench.path, data_of(values), known.version if known else None)
    assert bench.authority.read(bench.path) == StoredSecret(bench.path, version, data_of(values))


def data_of(values: dict[str, str]) -> SecretData:
    return {key: SecretValue.of(value) for key, value in values.items()}
