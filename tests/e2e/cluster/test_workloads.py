"""Workloads that opted in are restarted once per change, followed until they moved, and never fought over."""

import json
from datetime import UTC, datetime

import pytest

from events.consumer import WorkloadRef
from tests.e2e.cluster.estate import Body, Estate, Team
from tests.infra.stores.kubernetes_workloads import Deployer, Hands

RESTARTED_FOR = "lockstep.dev/restarted-for"
NEXT_TICK = 90.0  # seconds: what a lost answer did not tell, the next minute does
USED = "by-env"  # the Secret that the Deployer's pods use as environment


class Running:
    """A Deployment of two pods that uses what the team consumes."""

    def __init__(self, estate: Estate, team: Team, *, asks: bool = True) -> None:
        self._estate = estate
        self.subject = f"namespaces/{team.consumer}/deployments/app"
        self.ref = WorkloadRef.parse(self.subject)
        self.hands = Hands(estate.admin, team.consumer)
        Deployer(estate.admin, team.consumer).make(self.ref, False)
        if not asks:
            estate.admin.patch(self.hands.path(self.ref), {"metadata": {"annotations": {"lockstep.dev/restart": None}}})
        self.roll_out()

    def roll_out(self) -> None:
        """The kubelet starts what the controllers made."""
        self.hands.roll_out(self.ref, datetime.now(UTC))

    def found(self) -> Body:
        return self._estate.admin.get(self.hands.path(self.ref))

    def digest(self) -> str:
        annotations = self.found()["spec"]["template"]["metadata"].get("annotations") or {}
        return str(annotations.get(RESTARTED_FOR, ""))

    def generation(self) -> int:
        return int(self.found()["metadata"]["generation"])

    def told(self, fact: str) -> dict[str, Body]:
        """The facts of a kind about it by digest; each is told until it is known to have been accepted."""
        sql = "SELECT data FROM event WHERE type = ? AND subject = ? ORDER BY seq"
        rows = self._estate.at.query(sql, f"dev.lockstep.consumer.{fact}", self.subject)
        return {data["digest"]: data for data in (json.loads(row[0]) for row in rows)}

    def look(self) -> None:
        """As the schedule would: look at what is waited for."""
        at = datetime.now(UTC).isoformat()
        tick = {"schedule": {"name": "rollouts"}, "at": at, "shard": 0, "shards": 1}
        answer = self._estate.up.send("dev.lockstep.schedule.ticked", tick, subject="schedules/rollouts/0")
        assert answer.status == 202, answer
        self._estate.up.wait_idle()


def consumed(estate: Estate, team: Team) -> None:
    estate.put(team.source, {"password": b"one"})
    team.pull["spec"]["target"] = {"name": USED}
    team.target = f"{team.consumer}/{USED}"
    estate.apply(*team.manifests)
    estate.arrives(team, b"one")


@pytest.mark.orderly("what comes late finds a workload that began within what clocks may differ, and restarts it")
def test_a_change_restarts_once_and_is_followed_until_it_is_adopted(estate: Estate, team: Team) -> None:
    consumed(estate, team)
    app = Running(estate, team)
    made = app.generation()
    estate.settle()
    assert app.digest() == "", "what runs the value already is left alone"
    seen = {""}
    for number, value in enumerate((b"two", b"three"), start=1):
        estate.put(team.source, {"password": value})
        estate.arrives(team, value)
        estate.wait_for(lambda: app.digest() not in seen, "the restart")
        seen.add(app.digest())
        assert len(app.told("adopted")) == number - 1
        app.roll_out()
        estate.wait_for(lambda n=number: len(app.told("adopted")) == n, "the adoption told")  # type: ignore[misc]
        estate.sweep()
        app.look()
        assert app.generation() == made + number, "one restart for one change"
    assert app.told("adopted")[app.digest()]["secrets"][USED][team.full_path]["number"] == 3
    assert app.told("restarted").keys() == app.told("adopted").keys()
    assert app.told("stuck") == {}


def test_who_did_not_ask_is_not_restarted(estate: Estate, team: Team) -> None:
    consumed(estate, team)
    app = Running(estate, team, asks=False)
    generation = app.generation()
    estate.put(team.source, {"password": b"two"})
    estate.arrives(team, b"two")
    estate.sweep()
    estate.settle()
    assert app.generation() == generation
    assert app.digest() == ""


def test_a_restart_that_somebody_takes_back_is_told_and_not_repeated(estate: Estate, team: Team) -> None:
    consumed(estate, team)
    app = Running(estate, team)
    estate.put(team.source, {"password": b"two"})
    estate.wait_for(app.digest, "the restart")
    digest = app.digest()
    annotations = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR: None}}}}}
    estate.admin.patch(app.hands.path(app.ref), annotations)
    estate.wait_for(lambda: app.told("stuck"), "that it was taken back", NEXT_TICK)
    assert app.told("stuck")[digest]["reason"] == "reverted"
    generation = app.generation()
    estate.sweep()
    app.look()
    estate.settle()
    assert app.generation() == generation, "nobody is fought"
    assert app.told("stuck").keys() == {digest}
