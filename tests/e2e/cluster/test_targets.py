"""What people, controllers and Kubernetes itself do to Secrets, and how it is mended or named."""

from collections.abc import Callable
from typing import Any

from tests import eso
from tests.e2e.cluster.estate import Body, Estate, Team


def wired(estate: Estate, team: Team, value: bytes = b"one", **target: Any) -> None:
    estate.put(team.source, {"password": value})
    team.pull["spec"]["target"] |= target
    estate.apply(*team.manifests)
    estate.arrives(team, value)


def stuck(estate: Estate, team: Team, about: str) -> None:
    """Both who asks kubectl and who asks `lockstep status` are told."""
    estate.says(team.pull, "False", about)
    estate.wait_for(lambda: not estate.up.in_step(team.full_path), "status to show it")


def test_a_deleted_target_is_made_anew(estate: Estate, team: Team) -> None:
    wired(estate, team)
    before = estate.secret(team.target)
    estate.remove(team.target)
    estate.arrives(team, b"one")
    after = estate.secret(team.target)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert estate.up.version(team.full_path) == 1


def test_a_source_deleted_and_made_anew_is_published(estate: Estate, team: Team) -> None:
    wired(estate, team)
    estate.remove(team.source)
    estate.put(team.source, {"password": b"two"})
    estate.arrives(team, b"two")
    assert estate.up.version(team.full_path) == 2


def test_what_somebody_writes_into_a_target_is_undone(estate: Estate, team: Team) -> None:
    wired(estate, team)
    estate.put(team.target, {"password": b"theirs"})
    estate.arrives(team, b"one")
    estate.settle()
    estate.admin.patch(
        f"/api/v1/namespaces/{team.consumer}/secrets/target", {"metadata": {"annotations": {"theirs": "stays"}}}
    )
    estate.put(team.source, {"password": b"two"})
    estate.arrives(team, b"two")
    found = estate.secret(team.target)
    assert found is not None
    assert found["metadata"]["annotations"]["theirs"] == "stays"
    assert estate.up.version(team.full_path) == 2


def test_a_target_that_somebody_else_made_is_not_taken(estate: Estate, team: Team) -> None:
    estate.put(team.target, {"password": b"theirs"})
    theirs = estate.version(team.target)
    estate.put(team.source, {"password": b"ours"})
    estate.apply(*team.manifests)
    stuck(estate, team, "target")
    estate.sweep()
    assert estate.version(team.target) == theirs
    estate.remove(team.target)
    estate.sweep()
    estate.arrives(team, b"ours")
    estate.says(team.pull, "True")


def test_an_immutable_target_is_named_until_it_is_deleted(estate: Estate, team: Team) -> None:
    wired(estate, team, immutable=True)
    found = estate.secret(team.target)
    assert found is not None
    assert found["immutable"] is True
    estate.put(team.source, {"password": b"two"})
    stuck(estate, team, "immutable")
    assert estate.values(team.target) == {"password": b"one"}
    estate.remove(team.target)
    estate.arrives(team, b"two")
    estate.says(team.pull, "True")


def test_a_type_that_changes_is_named_until_the_target_is_deleted(estate: Estate, team: Team) -> None:
    wired(estate, team)
    team.pull["spec"]["target"]["template"] = {"type": "example.com/database"}
    estate.apply(team.pull)
    estate.says(team.pull, "False", "type")
    estate.remove(team.target)
    estate.arrives(team, b"one")
    estate.says(team.pull, "True")
    found = estate.secret(team.target)
    assert found is not None
    assert found["type"] == "example.com/database"


def test_a_target_that_finalizers_hold_is_made_anew_once_it_is_gone(estate: Estate, team: Team) -> None:
    wired(estate, team)
    path = f"/api/v1/namespaces/{team.consumer}/secrets/target"
    estate.admin.patch(path, {"metadata": {"finalizers": ["example.com/held"]}})
    estate.remove(team.target)
    estate.put(team.source, {"password": b"two"})
    estate.wait_for(lambda: estate.up.version(team.full_path) == 2, "the change at the authority")
    assert estate.values(team.target) == {"password": b"one"}
    estate.admin.patch(path, {"metadata": {"finalizers": None}})
    estate.arrives(team, b"two")


def test_a_namespace_that_ends_is_nobodys_defect(estate: Estate, teams: Callable[..., Team]) -> None:
    ending, other = teams(), teams()
    path = f"/api/v1/namespaces/{ending.consumer}"
    wired(estate, other)
    wired(estate, ending)
    holder = {"metadata": {"name": "holder", "finalizers": ["example.com/held"]}}
    estate.admin.post(f"{path}/configmaps", holder)
    estate.admin.delete(path)
    estate.wait_for(lambda: estate.secret(ending.target) is None, "the namespace's content to go")
    estate.put(ending.source, {"password": b"two"})
    estate.put(other.source, {"password": b"two"})
    estate.arrives(other, b"two")
    estate.wait_for(lambda: estate.up.version(ending.full_path) == 2, "the change at the authority")
    assert estate.secret(ending.target) is None
    estate.admin.patch(f"{path}/configmaps/holder", {"metadata": {"finalizers": None}})


def retractable(team: Team) -> Body:
    team.push["spec"]["deletionPolicy"] = "Delete"
    team.pull["spec"]["target"] |= {"creationPolicy": "Owner", "deletionPolicy": "Delete"}
    return team.pull


def test_a_source_that_went_takes_its_consumers_along(estate: Estate, team: Team) -> None:
    retractable(team)
    wired(estate, team)
    estate.remove(team.source)
    estate.swept(lambda: estate.secret(team.target) is None, "the retracted target")
    estate.wait_for(lambda: estate.up.version(team.full_path) == 0, "nothing published any more")
    assert estate.at.events("dev.lockstep.secret.retracted", team.full_path) >= 2, "noticed first, then carried out"
    estate.put(team.source, {"password": b"again"})
    estate.arrives(team, b"again")


def test_a_push_secret_that_went_takes_its_path_along(estate: Estate, team: Team) -> None:
    """What it published goes with its status: only the tombstone, and what we remember, leads there."""
    retractable(team)
    wired(estate, team)
    estate.delete(team.push)
    noticed = "dev.lockstep.secret.retracted"
    estate.wait_for(lambda: estate.at.events(noticed, team.full_path), "the absence noticed")
    assert estate.values(team.target) == {"password": b"one"}, "noticing deletes nothing"
    estate.up.kill()
    estate.up.restart()
    estate.swept(lambda: estate.secret(team.target) is None, "the retracted target")
    assert estate.at.dead_letters(team.name) == []


def test_what_went_while_nothing_ran_is_retracted_all_the_same(estate: Estate, team: Team) -> None:
    """By then nothing names its path any more, and the steps must be let at it none the less."""
    retractable(team)
    wired(estate, team)
    assert estate.up.stop() == 0
    for body in reversed(team.manifests[1:]):
        estate.delete(body)
    estate.mend()
    estate.swept(lambda: estate.secret(team.target) is None, "the retracted target")
    retracted = "dev.lockstep.secret.retracted"
    estate.wait_for(lambda: estate.at.events(retracted, team.full_path) >= 2, "the path to be retracted as well")
    assert estate.at.dead_letters(team.name) == []


def test_a_manifest_that_went_takes_only_what_is_ours(estate: Estate, team: Team) -> None:
    wired(estate, team)
    kept = eso.external_body(team.consumer, team.name, team.path, name="kept")
    kept["spec"]["target"] = {"name": "kept", "creationPolicy": "Orphan"}
    estate.apply(kept)
    estate.wait_for(lambda: estate.values(f"{team.consumer}/kept") == {"password": b"one"}, "the orphan")
    for body in (team.pull, kept):
        estate.delete(body)
    # The cluster deletes it first; whoever sees that before the manifest is gone makes it anew, and retract waits.
    estate.swept(lambda: estate.secret(team.target) is None, "the owned target to go", patience=120)
    estate.up.wait_idle()
    assert estate.values(f"{team.consumer}/kept") == {"password": b"one"}
