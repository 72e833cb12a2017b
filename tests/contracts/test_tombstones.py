"""One suite for `Tombstones`: the fake and the real OpenBao do the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._failures import Conflict
from functions._ports import Tombstone, Tombstones
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.tombstones import VaultTombstones
from tests.fakes.tombstones import FakeTombstones
from tests.openbao import OpenBao

NOTICED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@dataclass
class Bench:
    tombstones: Tombstones
    run: str  # the server is shared: other tests' tombstones are there too

    def id(self, name: str) -> str:
        return f"{self.run[:31]}{name}"

    def tombstone(self, name: str) -> Tombstone:
        return Tombstone(
            id=self.id(name),
            manifest=ManifestRef(kind="PushSecret", namespace="team", name="app"),
            target=PathRef(mount="secret", path="team/app"),
            policy="delete-properties",
            noticed=NOTICED,
            due=NOTICED + timedelta(hours=1),
            properties=("password",),
            base=Version(number=3, created=NOTICED),
            owner="PushSecret team/app",
        )

    def ours(self) -> tuple[Tombstone, ...]:
        return tuple(tombstone for tombstone in self.tombstones.list() if tombstone.id.startswith(self.run[:31]))


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    run = uuid4().hex
    if request.param == "fake":
        yield Bench(FakeTombstones(), run)
        return
    openbao: OpenBao = request.getfixturevalue("openbao")
    bench = Bench(VaultTombstones(KvEngine(openbao.admin())), run)
    yield bench
    for left in bench.ours():  # another test's sweep would go by it
        bench.tombstones.remove(left)


def stored(bench: Bench, name: str) -> Tombstone:
    found = bench.tombstones.read(bench.id(name))
    assert found is not None
    return found


def test_none(bench: Bench) -> None:
    assert bench.ours() == ()
    assert bench.tombstones.read(bench.id("a")) is None


def test_create_read_and_list(bench: Bench) -> None:
    of_path = bench.tombstone("b")
    of_secret = replace(
        bench.tombstone("a"), target=SecretRef(namespace="team", name="app"), policy="delete-target", base=None
    )
    bench.tombstones.create(of_path)
    bench.tombstones.create(of_secret)
    assert replace(stored(bench, "b"), revision=0) == of_path
    assert replace(stored(bench, "a"), revision=0) == of_secret
    assert bench.ours() == (stored(bench, "a"), stored(bench, "b"))


def test_one_with_the_same_id_stays(bench: Bench) -> None:
    bench.tombstones.create(bench.tombstone("a"))
    first = stored(bench, "a")
    bench.tombstones.create(replace(bench.tombstone("a"), due=NOTICED + timedelta(days=9)))
    assert stored(bench, "a") == first


def test_another_change_begins_its_grace_anew(bench: Bench) -> None:
    first = replace(bench.tombstone("a"), change="7.1")
    bench.tombstones.create(first)
    again = replace(first, noticed=NOTICED + timedelta(minutes=5), due=NOTICED + timedelta(days=9), change="7.2")
    bench.tombstones.create(again)
    assert replace(stored(bench, "a"), revision=0) == again
    noticed = stored(bench, "a")
    bench.tombstones.create(replace(again, due=NOTICED + timedelta(days=30)))  # the same one, delivered twice
    assert stored(bench, "a") == noticed


def test_remove_and_create_again(bench: Bench) -> None:
    bench.tombstones.create(bench.tombstone("a"))
    bench.tombstones.remove(stored(bench, "a"))
    assert bench.ours() == ()
    bench.tombstones.remove(bench.tombstone("a"))  # absent already
    later = replace(bench.tombstone("a"), due=NOTICED + timedelta(days=9))
    bench.tombstones.create(later)
    assert replace(stored(bench, "a"), revision=0) == later


def test_removing_another_revision_conflicts(bench: Bench) -> None:
    bench.tombstones.create(bench.tombstone("a"))
    found = stored(bench, "a")
    with pytest.raises(Conflict, match="read it again"):
        bench.tombstones.remove(replace(found, revision=found.revision + 1))
    assert stored(bench, "a") == found
