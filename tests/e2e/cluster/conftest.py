"""One cluster and one instance per worker process; see estate.py for why, and for what a test may do to them."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from infra.testbed import binaries
from infra.testbed.cluster import running
from infra.testbed.failures import ApiError
from tests.cluster import own_definitions
from tests.e2e.cluster.estate import Body, Estate, Team


@pytest.fixture(scope="session")
def _estate(
    testbed_binaries: binaries.Binaries, eso_definitions: tuple[Body, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Estate]:
    with running() as cluster:
        cluster.install((*eso_definitions, *own_definitions()))
        cluster.admin.post("/api/v1/namespaces", {"metadata": {"name": "lockstep"}})
        made = Estate(cluster, tmp_path_factory.mktemp("estate") / "root")
        try:
            made.up.start()
            yield made
        finally:
            made.up.end()


@pytest.fixture
def estate(_estate: Estate) -> Estate:
    """The worker's cluster and its instance, both well."""
    _estate.mend()
    return _estate


@pytest.fixture
def teams(estate: Estate) -> Iterator[Callable[..., Team]]:
    """`teams(controller=…, mode=…)`: as many as a test wants; the stores, and with them all wiring, go afterwards."""
    made: list[Team] = []

    def team(**options: str) -> Team:
        made.append(Team(estate, **options))
        return made[-1]

    yield team
    for one in made:
        for body in reversed(one.manifests):  # the store last: without it nothing can be undone
            with contextlib.suppress(ApiError):  # not made, or removed by the test
                estate.delete(body)


@pytest.fixture
def team(teams: Callable[..., Team]) -> Team:
    """Of a store that is Lockstep's own."""
    return teams()
