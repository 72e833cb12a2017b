"""How workloads read in `status` and `explain`."""

from dataclasses import replace

import pytest

from events.consumer import WorkloadRef
from events.references import SecretRef
from functions._standing import Standing
from infra.hosts.views.standing import MOST, Standings, Stood, hops, says
from tests.fakes.world import World

WEB = WorkloadRef(kind="Deployment", namespace="temporal", name="web")
TARGET = SecretRef(namespace="temporal", name="pg")
STANDING = Standing(
    workload=WEB, state="current", evidence="rolled-out", reason="", uses=("env",), pods=2, older=0, restarts=True
)


@pytest.mark.parametrize(
    ("standing", "state", "text", "mends"),
    [
        (STANDING, "ok", "runs the newest version (its pods began after it)", 0),
        (replace(STANDING, evidence="materialized"), "ok", "runs the newest version (its volumes hold it)", 0),
        (replace(STANDING, pods=0), "ok", "it has no pods", 0),
        (replace(STANDING, state="moving", older=1), "waiting", "is being rolled out; 1 of 2 pods", 0),
        (replace(STANDING, state="waiting", older=2, reason="budget"), "waiting", "restarted: budget; 2 of 2", 0),
        (replace(STANDING, state="stuck", older=2, reason="reverted"), "broken", "is stuck: reverted", 1),
        (replace(STANDING, state="stale", older=2), "waiting", "its restart is due", 0),
        (replace(STANDING, state="stale", older=2, restarts=False), "waiting", "nobody asked to restart it", 2),
    ],
)
def test_a_hop_for_each_workload(standing: Standing, state: str, text: str, mends: int) -> None:
    (hop,) = hops(TARGET, Stood((standing,)))
    assert (hop.name, hop.state, hop.subject, len(hop.mend)) == ("workload", state, str(WEB), mends)
    assert text in hop.says == says(standing)


def test_what_cannot_be_asked_is_said() -> None:
    (hop,) = hops(TARGET, Stood(unknown="the API server is down"))
    assert (hop.state, "the API server is down" in hop.says) == ("waiting", True)


def test_each_secret_is_asked_about_once_and_so_many_at_most() -> None:
    asked = Standings(World().ports)
    for number in range(MOST):
        assert asked.of(SecretRef(namespace="temporal", name=f"s{number}")) == Stood()
    assert "name this one" in asked.of(TARGET).unknown
    assert asked.of(SecretRef(namespace="temporal", name="s0")) == Stood()
