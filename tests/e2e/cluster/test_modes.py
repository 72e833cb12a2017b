"""Beside External Secrets Operator: observe writes nothing, assist only asks ESO to hurry, own does the work."""

from collections import Counter
from collections.abc import Callable

from tests import eso
from tests.e2e.cluster.estate import Body, Estate, Team

FORCE_SYNC = "force-sync"


def seen(estate: Estate, team: Team) -> tuple[str, ...]:
    """The resourceVersion of everything of a team that could be written."""
    objects: list[Body] = [*map(estate.found, (team.push, team.pull)), estate.secret(team.source)]  # type: ignore[list-item]
    secrets = estate.admin.get(f"/api/v1/namespaces/{team.consumer}/secrets")["items"]
    return tuple(one["metadata"]["resourceVersion"] for one in [*objects, *secrets])


def forced(estate: Estate, body: Body) -> str:
    found = estate.found(body)
    assert found is not None
    return str((found["metadata"].get("annotations") or {}).get(FORCE_SYNC, ""))


def asked(estate: Estate, *arguments: str) -> str:
    done = estate.run(*arguments)
    assert done.returncode in (0, 1), done
    return done.stdout


def own(estate: Estate, team: Team, *, owned: bool) -> None:
    """As its operator hands a store to Lockstep, or takes it back."""
    store = eso.store_body(team.name, controller="lockstep" if owned else "eso")
    estate.apply(store)


def test_an_observed_store_is_shown_and_nothing_is_written(estate: Estate, teams: Callable[..., Team]) -> None:
    team, bystander = teams(controller=""), teams()
    estate.put(team.source, {"password": b"one"})
    estate.put(bystander.source, {"password": b"one"})
    estate.apply(*team.manifests, *bystander.manifests)
    estate.arrives(bystander, b"one")
    before = seen(estate, team)
    estate.wait_for(lambda: estate.up.secret(team.full_path), "the observed path to be shown")
    estate.put(bystander.source, {"password": b"two"})
    estate.arrives(bystander, b"two")
    estate.sweep()
    estate.settle()
    assert seen(estate, team) == before
    assert estate.secret(team.target) is None
    assert not estate.up.in_step(team.full_path)
    assert team.path in asked(estate, "diff", team.full_path)
    estate.put(team.source, {"password": b"two"})
    changed = seen(estate, team)
    estate.sweep()
    estate.settle()
    assert seen(estate, team) == changed
    assert estate.up.version(team.full_path) == 0


def test_an_assisted_store_is_only_asked_to_sync(estate: Estate, teams: Callable[..., Team]) -> None:
    team = teams(controller="", mode="assist")
    estate.put(team.source, {"password": b"one"})
    estate.apply(*team.manifests)
    estate.wait_for(lambda: estate.up.secret(team.full_path), "the assisted path to be shown")
    estate.settle()
    estate.put(team.source, {"password": b"two"})
    estate.wait_for(lambda: forced(estate, team.push), "the PushSecret touched")
    assert forced(estate, team.pull) == "", "not before ESO has pushed"
    estate.admin.patch(f"{eso.place(team.push)}/status", {"status": {"refreshTime": "2030-01-01T00:00:00Z"}})
    estate.wait_for(lambda: forced(estate, team.pull), "the ExternalSecret touched")
    estate.settle()
    estate.sweep()
    for body in (team.push, team.pull):
        found = estate.found(body)
        assert found is not None
        writers = Counter(one["manager"] for one in found["metadata"]["managedFields"])
        assert writers["lockstep"] == 1, "one touch"
        assert estate.condition(body) == ("", "", ""), "its status is ESO's"
    assert estate.secret(team.target) is None
    assert estate.up.version(team.full_path) == 0


def test_taking_a_store_and_giving_it_back_loses_nothing(estate: Estate, team: Team) -> None:
    estate.put(team.source, {"password": b"one"})
    estate.apply(*team.manifests)
    estate.arrives(team, b"one")
    number, version = estate.up.version(team.full_path), estate.version(team.target)
    own(estate, team, owned=False)
    estate.sweep()
    estate.settle()
    held = seen(estate, team)
    estate.put(team.source, {"password": b"two"})
    estate.sweep()
    estate.settle()
    assert estate.values(team.target) == {"password": b"one"}, "the store is not ours now"
    assert [one for one in seen(estate, team) if one not in held] == [estate.version(team.source)]
    assert estate.version(team.target) == version
    own(estate, team, owned=True)
    estate.arrives(team, b"two")
    assert estate.up.version(team.full_path) == number + 1
    owned = estate.version(team.target)
    for state in (False, True):
        own(estate, team, owned=state)
        estate.sweep()
        estate.settle()
    estate.wait_for(lambda: estate.up.in_step(team.full_path), "in step as before")
    assert estate.up.version(team.full_path) == number + 1, "no version without a change"
    assert estate.version(team.target) == owned, "no write without a change"
