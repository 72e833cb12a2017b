"""What was told of the wiring, kept across restarts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.manifests import KnownManifest, KnownManifests

REF = ManifestRef(kind="PushSecret", namespace="team", name="app")
STORE = ManifestRef(kind="ClusterSecretStore", namespace="-", name="vault-backend")
KNOWN = KnownManifest(
    REF, "abc", (SecretRef(namespace="team", name="x"),), (PathRef(mount="team-a/secret", path="a/b"),)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LocalDatabase]:
    made = LocalDatabase(tmp_path / "local.db")
    yield made
    made.close()


def test_what_is_followed_is_known_after_a_restart(database: LocalDatabase) -> None:
    known, store = KnownManifests(database), KnownManifest(STORE, "def", (), ())
    known.follow([(REF, KNOWN), (STORE, store)])
    assert KnownManifests(database).all() == {REF: KNOWN, STORE: store}
    known.follow([(REF, None)])
    assert set(known.all()) == {STORE}


def test_the_serial_moves_on_with_every_change_that_was_told(database: LocalDatabase) -> None:
    known = KnownManifests(database)
    assert known.serial() == 0
    known.follow([(REF, KNOWN), (REF, None)])
    known.follow([(REF, KNOWN)])
    assert known.serial() == KnownManifests(database).serial() == 3
