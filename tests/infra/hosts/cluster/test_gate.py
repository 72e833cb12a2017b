"""Whether the API server serves: one that is frozen is known soon, and does not hold up who asks."""

import socket
from collections.abc import Iterator

import pytest

from functions._values import SecretValue
from infra.hosts.cluster.gate import ClusterGate, impatient
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.testbed.cluster import Cluster


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def settings(server: str, **more: object) -> ClusterSettings:
    return ClusterSettings(server=server, credentials=StaticToken(SecretValue.of("t")), **more)  # type: ignore[arg-type]  # as given


def test_who_asks_waits_less_than_who_works() -> None:
    asking = impatient(settings("http://127.0.0.1:1"))
    assert (asking.read_timeout, asking.connect_timeout) == (1.5, 1.5)
    assert impatient(settings("http://127.0.0.1:1", read_timeout=0.5)).read_timeout == 0.5


def test_a_frozen_server_is_named(frozen: str) -> None:
    api = Api(impatient(settings(frozen, read_timeout=0.2)))
    gate = ClusterGate(api)
    assert "cannot reach the API server" in gate.reason()
    assert not gate.ready()
    api.close()


def test_one_that_serves_is_ready(cluster: Cluster) -> None:
    given = ClusterSettings(
        server=cluster.server, credentials=StaticToken(SecretValue.of(cluster.admin_token)), ca_file=str(cluster.ca)
    )
    api = Api(impatient(given))
    assert ClusterGate(api).ready()
    api.close()
