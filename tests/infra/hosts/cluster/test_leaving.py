"""A path whose PushSecret went stays within reach of the steps until its retraction ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef
from events.secret import SecretRetracted
from infra.hosts.cluster.leaving import LeavingPaths
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.manifests import KnownManifest, KnownManifests
from infra.hosts.local.retiring import RetiringPaths
from infra.wiring.directory import WiringDirectory
from infra.wiring.index import Index
from tests.infra.wiring.samples import STORE, push, together

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LocalDatabase]:
    made = LocalDatabase(tmp_path / "local.db")
    yield made
    made.close()


def index(folder: Path, *documents: str) -> Index:
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text(together(STORE, *documents))
    wiring = WiringDirectory(folder)
    wiring.reload()
    return wiring.snapshot()


def told(outcome: str) -> SecretRetracted:
    return SecretRetracted.model_validate(
        {"target": PATH, "manifest": PUSH, "tombstone": "0" * 32, "outcome": outcome, "explanation": ""}
    )


def test_permissions_are_bound_after_it_is_remembered(database: LocalDatabase, tmp_path: Path) -> None:
    leaving = LeavingPaths(KnownManifests(database), RetiringPaths(database))
    seen: list[tuple[PathRef, ...]] = []
    bind = leaving.binding(lambda _: seen.append(leaving.all()))
    bind(index(tmp_path / "wired", push()))
    bind(index(tmp_path / "unwired"))
    bind(index(tmp_path / "wired", push()))
    assert seen == [(), (PATH,), ()]


def test_what_went_while_nothing_ran_is_found_at_the_start(database: LocalDatabase, tmp_path: Path) -> None:
    known = KnownManifests(database)
    known.follow([(PUSH, KnownManifest(PUSH, "1", (), (PATH,)))])
    leaving = LeavingPaths(known, RetiringPaths(database))
    leaving.binding(lambda _: None)(index(tmp_path / "unwired"))
    assert leaving.all() == (PATH,)


def test_only_the_end_of_its_retraction_ends_it(database: LocalDatabase, tmp_path: Path) -> None:
    leaving = LeavingPaths(KnownManifests(database), RetiringPaths(database))
    bind = leaving.binding(lambda _: None)
    for outcome in ("retracted", "withdrawn", "kept"):
        bind(index(tmp_path / "wired", push()))
        bind(index(tmp_path / "unwired"))
        for unfinished in ("noticed", "held"):
            leaving.observe(told(unfinished))
        assert leaving.all() == (PATH,)
        leaving.observe(told(outcome))
        assert leaving.all() == ()


def test_a_binding_that_fails_is_done_again(database: LocalDatabase, tmp_path: Path) -> None:
    leaving = LeavingPaths(KnownManifests(database), RetiringPaths(database))
    leaving.binding(lambda _: None)(index(tmp_path / "wired", push()))

    def fail(_: Index) -> None:
        raise TimeoutError

    for _ in range(2):
        with pytest.raises(TimeoutError):
            leaving.binding(fail)(index(tmp_path / "unwired"))
        assert leaving.all() == (PATH,)
