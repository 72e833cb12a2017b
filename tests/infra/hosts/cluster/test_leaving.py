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


def test_a_path_retires_until_it_is_wired_again(database: LocalDatabase, tmp_path: Path) -> None:
    leaving = LeavingPaths(KnownManifests(database), RetiringPaths(database))
    assert leaving.of(index(tmp_path / "wired", push())) == ()
    for _ in range(2):  # whoever binds in vain asks again
        assert leaving.of(index(tmp_path / "unwired")) == (PATH,)
    assert leaving.of(index(tmp_path / "wired", push())) == ()


def test_what_went_while_nothing_ran_is_found_at_the_start(database: LocalDatabase, tmp_path: Path) -> None:
    known = KnownManifests(database)
    known.follow([(PUSH, KnownManifest(PUSH, "1", (), (PATH,)))])
    leaving = LeavingPaths(known, RetiringPaths(database))
    assert leaving.of(index(tmp_path / "unwired")) == (PATH,)


def test_only_the_end_of_its_retraction_ends_it(database: LocalDatabase, tmp_path: Path) -> None:
    leaving = LeavingPaths(KnownManifests(database), RetiringPaths(database))
    unwired = index(tmp_path / "unwired")
    for outcome in ("retracted", "withdrawn", "kept"):
        leaving.of(index(tmp_path / "wired", push()))
        assert leaving.of(unwired) == (PATH,)
        for unfinished in ("noticed", "held"):
            leaving.observe(told(unfinished))
        assert leaving.of(unwired) == (PATH,)
        leaving.observe(told(outcome))
        assert leaving.of(unwired) == ()
