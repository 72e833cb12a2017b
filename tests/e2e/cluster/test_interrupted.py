"""Killed, restarted, cut off from the API server: nothing is lost, nothing is made twice, nothing is given up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster.estate import Estate, Team


def wired(estate: Estate, team: Team, value: bytes = b"begin") -> None:
    estate.put(team.source, {"password": value})
    estate.apply(*team.manifests)
    estate.arrives(team, value)


def versions(estate: Estate, teams: list[Team]) -> list[str]:
    return [estate.version(team.target) for team in teams]


def test_a_restart_writes_nothing_where_nothing_changed(estate: Estate, teams: Callable[..., Team]) -> None:
    some = [teams() for _ in range(4)]
    for team in some:
        wired(estate, team)
    estate.settle()
    before, events = versions(estate, some), estate.at.events("dev.lockstep.secret.published")
    estate.up.kill()
    estate.up.restart()
    estate.settle()
    estate.sweep()
    for team in some:
        assert estate.up.in_step(team.full_path)
        assert estate.up.version(team.full_path) == 1
    assert versions(estate, some) == before
    assert estate.at.events("dev.lockstep.secret.published") >= events
    assert not any(estate.up.wrong(team.full_path) for team in some)


def test_what_changed_while_nothing_ran_arrives_after_the_start(estate: Estate, teams: Callable[..., Team]) -> None:
    changed, removed, unwired = (teams() for _ in range(3))
    for team in (changed, removed, unwired):
        wired(estate, team)
    estate.up.kill()
    estate.put(changed.source, {"password": b"meanwhile"})
    estate.remove(removed.target)
    estate.delete(unwired.pull)
    estate.up.restart()
    estate.arrives(changed, b"meanwhile")
    estate.arrives(removed, b"begin")
    estate.sweep()
    estate.wait_for(lambda: estate.secret(unwired.target) is None, "the target of a manifest that went")


@pytest.mark.parametrize("moment", [0.0, 0.01])
def test_killed_in_the_middle_of_many_changes(estate: Estate, teams: Callable[..., Team], moment: float) -> None:
    """A kill at any moment: the delay only chooses which, and everything holds for each."""
    some = [teams() for _ in range(4)]
    for team in some:
        wired(estate, team)
    first = threading.Event()

    def produce() -> None:
        for team in some:
            estate.put(team.source, {"password": b"changed"})
            first.set()

    producer = threading.Thread(target=produce)
    producer.start()
    first.wait(30)
    threading.Event().wait(moment)
    estate.up.kill()
    producer.join()
    estate.up.restart()
    for team in some:
        estate.arrives(team, b"changed")
    estate.settle()
    written = versions(estate, some)
    estate.sweep()
    assert versions(estate, some) == written
    assert [estate.up.version(team.full_path) for team in some] == [2] * 4, "one change, one version"
    assert [row for team in some for row in estate.at.dead_letters(team.name)] == []


@contextmanager
def paused(estate: Estate) -> Iterator[None]:
    estate.cluster.pause()
    try:
        yield
    finally:
        estate.cluster.resume()


def test_killed_before_it_is_confirmed_it_is_confirmed_after_the_start(estate: Estate, team: Team) -> None:
    """The target does not wait for the PushSecret's status: whichever is there at the kill, nothing is made twice."""
    wired(estate, team)
    estate.put(team.source, {"password": b"changed"})
    estate.wait_for(lambda: estate.values(team.target) == {"password": b"changed"}, "the changed target")
    estate.up.kill()
    estate.up.restart()
    store = f"ClusterSecretStore/{team.name}"

    def confirmed() -> int:
        push = estate.found(team.push)
        assert push is not None
        synced = push["status"]["syncedPushSecrets"][store][f"{team.path}/password"]
        found: int = synced["metadata"]["lockstep.dev"]["version"]
        return found

    estate.wait_for(lambda: confirmed() == 2, "the confirmed version")
    estate.settle()
    assert estate.up.version(team.full_path) == 2
    assert estate.up.in_step(team.full_path)
    assert not estate.up.wrong(team.full_path)


def test_a_restarted_api_server_costs_nobody_a_change(estate: Estate, team: Team) -> None:
    wired(estate, team)
    dead = estate.at.dead_letters()
    estate.cluster.restart_apiserver()
    estate.put(team.source, {"password": b"after the restart"})
    estate.arrives(team, b"after the restart")
    assert estate.at.dead_letters() == dead


def test_without_an_api_server_deliveries_are_held_and_not_given_up(estate: Estate, team: Team) -> None:
    wired(estate, team)
    dead = estate.at.dead_letters()
    estate.cluster.stop_apiserver()
    try:
        told(estate, team)
        estate.wait_for(lambda: held(estate) > 0, "a delivery that is held")
        assert estate.at.dead_letters() == dead
    finally:
        estate.cluster.start_apiserver()
    estate.put(team.source, {"password": b"after the outage"})
    estate.arrives(team, b"after the outage")
    estate.up.wait_idle()
    assert estate.at.dead_letters() == dead


@pytest.mark.slow
def test_a_frozen_api_server_is_waited_for(estate: Estate, team: Team) -> None:
    wired(estate, team)
    dead = estate.at.dead_letters()
    with paused(estate):
        told(estate, team)
        estate.wait_for(lambda: held(estate) > 0, "a delivery that is held")
    estate.put(team.source, {"password": b"after the frost"})
    estate.arrives(team, b"after the frost")
    estate.up.wait_idle()
    assert estate.at.dead_letters() == dead


def told(estate: Estate, team: Team) -> None:
    """A hint, as another source of events would give it."""
    reference = {"namespace": team.producer, "name": "source"}
    subject = f"namespaces/{team.producer}/secrets/source"
    answer = estate.up.send("dev.lockstep.secret.changed", {"secret": reference}, subject=subject)
    assert answer.status == 202, answer


def held(estate: Estate) -> float:
    samples = estate.up.metrics().items()
    return sum(value for name, value in samples if name.startswith("lockstep_held_deliveries"))
