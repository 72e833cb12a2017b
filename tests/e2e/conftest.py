"""Installations for the end-to-end tests: set up once and copied, shared where a test breaks nothing."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.stores.vault.claims import VaultClaims
from tests.instance import Installation, Running, store
from tests.openbao import OpenBao

_names = itertools.count(1)
EVERYTHING = 'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
# Quick enough to wait for, patient enough for a loaded machine.
QUICK = {
    "retraction": {"graceSeconds": 0},
    "sweep": {"intervalSeconds": 0.5},
    "anchor": {"intervalSeconds": 0.5},
    "delivery": {"retry": 6, "backoffSeconds": 0.05, "backoffCapSeconds": 0.3},
}


@pytest.fixture(scope="session")
def established(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ROOT that `up` ran on once: its embedded OpenBao need not be set up again."""
    installation = Installation(tmp_path_factory.mktemp("established") / "root")
    with installation.running() as up:
        assert up.stop() == 0
    (installation.root / "state" / "openbao" / "ports.json").unlink()
    return installation.root


@pytest.fixture
def embedded(established: Path, tmp_path: Path) -> Installation:
    """A ROOT of the test's own with its own embedded OpenBao, configured to be quick, not started."""
    return copied(established, tmp_path / "root")


def copied(established: Path, root: Path) -> Installation:
    """A copy of an established ROOT, configured to be quick."""
    shutil.copytree(established, root, ignore=shutil.ignore_patterns("*.sock"))
    installation = Installation(root)
    installation.configure(**QUICK)
    installation.wire("store", store())
    return installation


@pytest.fixture(scope="session")
def shared(established: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running instance per worker process. Tests use names of their own (`team`) and never stop or break it."""
    with copied(established, tmp_path_factory.mktemp("shared") / "root").running() as up:
        yield up


class Team:
    """Names that no other test uses: a producing namespace, a consuming one, a path and a wiring file."""

    def __init__(self, number: int) -> None:
        self.name = f"team-{number}"
        self.producer, self.consumer = f"producer-{number}", f"consumer-{number}"
        self.path = f"platform-data/postgres/{self.name}"
        self.full_path = f"secret/{self.path}"
        self.source = f"{self.producer}/credentials"
        self.target = f"{self.consumer}/postgres"


@pytest.fixture
def team() -> Team:
    return Team(next(_names))


@pytest.fixture
def teams() -> Callable[[], Team]:
    """As many as a test wants."""
    return lambda: Team(next(_names))


@pytest.fixture
def external(openbao: OpenBao, tmp_path: Path) -> Installation:
    """A ROOT of the test's own on the worker's OpenBao as an existing authority, configured to be quick."""
    return at_authority(tmp_path / "root", openbao.settings.address, openbao)


def at_authority(root: Path, address: str, openbao: OpenBao, policy: str = EVERYTHING) -> Installation:
    """A ROOT on an existing authority at `address`, with a token of this policy there."""
    token = openbao.token(policy).reveal().decode()
    installation = Installation(root, environment={"VAULT_ADDR": address, "VAULT_TOKEN": token})
    installation.configure(**QUICK, cluster=f"cluster-{next(_names)}")
    installation.wire("store", store(server=address))
    return installation


@pytest.fixture
def claims(openbao: OpenBao) -> VaultClaims:
    """The claims at the worker's OpenBao, as an administrator reads them."""
    return VaultClaims(openbao.engine(), lambda _: None)
