"""ESO is hastened where a store says so, and left alone everywhere else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.references import PathRef, SecretRef, Version
from events.secret import SecretChanged, SecretPublished
from infra.hosts.cluster.assisting import FORCE_SYNC, Assistant
from infra.kubernetes.api import Api
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import ClusterWiring
from tests.eso import apply, external_body, place, push_body, store_body
from tests.infra.hosts.cluster.conftest import ready, until

VERSION = Version.model_validate({"number": 2, "created": "2026-01-01T00:00:00Z"})


@pytest.fixture
def start(
    eso_cluster: Cluster, namespace: str, store_name: str, wiring: ClusterWiring, api: Api
) -> Iterator[Callable[..., Assistant]]:
    made: list[Assistant] = []

    def begin(controller: str = "", mode: str = "assist") -> Assistant:
        apply(eso_cluster, store_body(store_name, controller=controller, mode=mode))
        apply(eso_cluster, push_body(namespace, store_name))
        apply(eso_cluster, external_body(namespace, store_name, f"platform-data/postgres/{namespace}"))
        assistant = Assistant(ready(wiring), api)
        made.append(assistant)
        assistant.start()
        return assistant

    yield begin
    for assistant in made:
        assistant.stop()


def touched(cluster: Cluster, body: dict[str, Any]) -> str | None:
    return (cluster.admin.get(place(body))["metadata"].get("annotations") or {}).get(FORCE_SYNC)


def test_a_changed_source_hastens_the_push_and_then_the_pull(
    start: Callable[..., Assistant], eso_cluster: Cluster, namespace: str
) -> None:
    assistant = start()
    push, pull = push_body(namespace, "x"), external_body(namespace, "x", "x")
    assistant.observe(SecretChanged(secret=SecretRef(namespace=namespace, name="source"), seen="u/1"))
    until(lambda: touched(eso_cluster, push))
    assert touched(eso_cluster, pull) is None, "there is nothing to pull until it was pushed"
    eso_cluster.admin.patch(f"{place(push)}/status", {"status": {"refreshTime": "2026-01-01T00:00:00Z"}})
    until(lambda: touched(eso_cluster, pull))


def test_a_new_version_hastens_the_pull(start: Callable[..., Assistant], eso_cluster: Cluster, namespace: str) -> None:
    path = PathRef(mount="secret", path=f"platform-data/postgres/{namespace}")
    start().observe(SecretPublished(path=path, version=VERSION, keys=(), outcome="written"))
    until(lambda: touched(eso_cluster, external_body(namespace, "x", "x")))
    assert touched(eso_cluster, push_body(namespace, "x")) is None


@pytest.mark.parametrize(("controller", "mode"), [("", ""), ("", "observe"), ("lockstep", "assist")])
def test_other_modes_touch_nothing(
    start: Callable[..., Assistant], namespace: str, controller: str, mode: str, calls: list[tuple[str, str]]
) -> None:
    assistant = start(controller, mode)
    assistant.observe(SecretChanged(secret=SecretRef(namespace=namespace, name="source"), seen="u/1"))
    assistant.stop()
    assert not [call for call in calls if call[0] == "patch"]
