"""Pytest plugin: a real Kubernetes control plane, shared by all workers, and clusters of a test's own to be broken.

Where the programs are missing, the tests that need them are skipped, and fail with LOCKSTEP_REQUIRE_ALL=1.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.deploy.manifests.definitions import definitions
from infra.testbed import binaries, crds
from infra.testbed.api import Object
from infra.testbed.cluster import Cluster, launch
from infra.testbed.failures import ApiError, ClusterError, NoBinariesError

OWN = "lockstep.dev"


@pytest.fixture(scope="session")
def testbed_binaries() -> binaries.Binaries:
    """The programs; the test is skipped where they are missing."""
    try:
        return binaries.find()
    except NoBinariesError as missing:
        if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip("no test cluster: run `make testbed`")


@pytest.fixture(scope="session")
def cluster(testbed_binaries: binaries.Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all workers: whoever needs it first starts it, whoever leaves last stops it.

    Tests use namespaces of their own, name what is cluster-wide so that it is theirs alone and remove it, and never
    stop it, restart it or pause it. LOCKSTEP_TESTBED names the directory of one that runs already.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    given = os.environ.get("LOCKSTEP_TESTBED")
    joined = Cluster(Path(given)) if given else _join(shared / "testbed")
    yield joined
    joined.close()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace in the shared cluster; deleted afterwards, which nobody waits for."""
    name = cluster.create_namespace()
    yield name
    with contextlib.suppress(ApiError):  # the test may have deleted it
        cluster.delete_namespace(name)


@pytest.fixture(scope="session")
def kinds(cluster: Cluster) -> Callable[..., None]:
    """`kinds("external-secrets.io")` installs a project's own definitions, or skips where none are on this machine.

    `lockstep.dev` are ours, as `lockstep manifests` renders them.
    """

    def install(*groups: str) -> None:
        try:
            cluster.install(crds.find(group for group in groups if group != OWN))
            if OWN in groups:
                cluster.install(own_definitions())
        except crds.NoDefinitionsError as missing:
            pytest.skip(str(missing))

    return install


@pytest.fixture
def own_cluster(testbed_binaries: binaries.Binaries) -> Iterator[Cluster]:
    """A cluster of the test's own, to be restarted, paused and stopped: 4 s and 400 MB, so few tests should."""
    mine = launch()
    yield mine
    mine.stop()


def own_definitions() -> tuple[Object, ...]:
    """Our own kinds, as an installation applies them."""
    return tuple(one for one in definitions() if one["kind"] == "CustomResourceDefinition")


def _join(place: Path) -> Cluster:
    """The cluster whose directory `place` names, or a new one where that has ended or never was."""
    with place.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError, ClusterError):
            return Cluster(Path(place.read_text()))
        mine = launch()
        place.write_text(str(mine.directory))
        return mine
