"""A wiring of a namespace in the test cluster, followed."""

import time
from collections.abc import Callable, Iterator

import pytest

from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring, cluster_feeds

DEADLINE = 60.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def calls(api: Api) -> list[tuple[str, str]]:
    """Every call of our client, as (verb, resource)."""
    made: list[tuple[str, str]] = []
    api.on_call = lambda verb, kind: made.append((verb, kind))
    return made


@pytest.fixture
def wiring(eso_cluster: Cluster, api: Api) -> Iterator[ClusterWiring]:
    """Not started yet: a test applies its manifests first, then calls `ready`."""
    wiring = ClusterWiring(cluster_feeds(api))
    yield wiring
    wiring.stop()


def ready(wiring: ClusterWiring) -> ClusterWiring:
    wiring.start()
    assert wiring.wait_ready(DEADLINE)
    wiring.reload()
    return wiring
