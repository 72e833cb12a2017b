"""access.yaml: default deny both ways, on the running instance, followed when it changes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK, Team, copied
from tests.instance import Installation, NotReadyError, Running, external_secret, push_secret


def rules(team: Team) -> dict[str, dict[str, list[str]]]:
    """What lets a team's path flow."""
    return {team.producer: {"publish": [team.full_path]}, team.consumer: {"read": [team.full_path]}}


@pytest.fixture
def policed(embedded: Installation) -> Iterator[Running]:
    """An instance whose policy allows nothing yet."""
    embedded.allow()
    with embedded.running() as up:
        yield up


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
    up.at.put(team.producer, "credentials", {"password": b"one"})


def value(up: Running, team: Team) -> dict[str, bytes] | None:
    return up.at.values(team.consumer, "postgres")


def test_denied_until_allowed_and_again_when_withdrawn(policed: Running, teams: Callable[[], Team]) -> None:
    up, unpublished, unread, allowed = policed, teams(), teams(), teams()
    up.at.allow(**{**rules(allowed), unread.producer: {"publish": ["secret/platform-data/**"]}})
    for team in (unpublished, unread, allowed):
        wire(up, team)
    up.wait_for(lambda: value(up, allowed) == {"password": b"one"}, "what is allowed")
    up.wait_for(lambda: up.version(unread.full_path) == 1, "published, though nobody may read it")
    up.wait_for(lambda: "may not publish" in str(up.at.dead_letters(unpublished.producer)), "the refusal to publish")
    up.wait_for(lambda: "may not read" in str(up.at.dead_letters(unread.consumer)), "the refusal to read")
    assert "does not let" in up.wrong(unpublished.full_path)
    assert "does not let" in up.wrong(unread.full_path)
    assert value(up, unread) is None
    assert value(up, unpublished) is None
    assert not up.in_step(unpublished.full_path)

    up.at.allow(**{**rules(allowed), **rules(unpublished), **rules(unread)})
    for team in (unpublished, unread):
        up.wait_for(lambda team=team: value(up, team) == {"password": b"one"}, "what is allowed now")  # type: ignore[misc]
        up.wait_for(lambda team=team: up.in_step(team.full_path), "in step")  # type: ignore[misc]

    up.at.allow(**rules(unread))
    up.wait_for(lambda: "does not let" in up.wrong(allowed.full_path), "the withdrawal to be in force")
    up.wait_idle()  # whoever asked before it
    up.at.put(allowed.producer, "credentials", {"password": b"two"})
    up.wait_for(lambda: "may not publish" in str(up.at.dead_letters(allowed.producer)), "the refusal to publish")
    up.wait_idle()
    assert value(up, allowed) == {"password": b"one"}, "nothing is taken away, nothing new arrives"


def test_a_find_shows_only_what_the_namespace_may_read(policed: Running, teams: Callable[[], Team]) -> None:
    up, mine, others = policed, teams(), teams()
    finder = teams()
    up.at.allow(
        **{**rules(mine), **rules(others), finder.consumer: {"read": [mine.full_path]}},
    )
    wire(up, mine)
    wire(up, others)
    for team in (mine, others):
        up.wait_for(lambda team=team: value(up, team) is not None, "both published and read")  # type: ignore[misc]
    find = {"find": {"path": "platform-data/postgres", "name": {"regexp": "team-.*"}}}
    up.at.wire(finder.name, external_secret(finder.target, "unused", dataFrom=[find]))
    up.wait_for(lambda: value(up, finder) or up.at.dead_letters(finder.consumer), "an outcome")
    up.wait_idle()
    found = value(up, finder) or {}
    assert not any(others.name in key for key in found), "not even the name of what it may not read"


def test_a_spoilt_policy_leaves_the_last_good_one_in_force(policed: Running, teams: Callable[[], Team]) -> None:
    up, allowed, denied = policed, teams(), teams()
    up.at.allow(**rules(allowed))
    wire(up, allowed)
    up.wait_for(lambda: value(up, allowed) == {"password": b"one"}, "what the good policy allows")
    wire(up, denied)
    for spoilt in ("spec: [", "kind: AccessPolicy\n", ""):
        (up.root / "access.yaml").write_text(spoilt)
        up.wait_for(lambda: "access.yaml" in up.status()["access"]["problem"], "the problem to be told")
        up.at.put(allowed.producer, "credentials", {"password": spoilt.encode()})
        up.wait_for(lambda s=spoilt: value(up, allowed) == {"password": s.encode()}, "what was allowed")  # type: ignore[misc]
    up.wait_idle()
    assert up.version(denied.full_path) == 0
    (up.root / "access.yaml").unlink()
    up.at.put(allowed.producer, "credentials", {"password": b"two"})
    up.wait_for(lambda: value(up, allowed) == {"password": b"two"}, "a vanished file opens nothing and closes nothing")
    up.wait_idle()
    assert up.version(denied.full_path) == 0


def test_a_spoilt_policy_at_the_start_is_refused_by_name(established: Path, tmp_path: Path) -> None:
    installation = copied(established, tmp_path / "root")
    (installation.root / "access.yaml").write_text("apiVersion: lockstep.dev/v1alpha1\nkind: AccessPolicy\nspec: 7\n")
    with pytest.raises(NotReadyError, match=r"status 2.*access\.yaml:3"), installation.running():
        pass


def test_a_spoilt_configuration_at_the_start_is_refused_by_name(established: Path, tmp_path: Path) -> None:
    installation = copied(established, tmp_path / "root")
    for spoilt, told in (({"sweep": {"intervalSeconds": -1}}, "sweep"), ({"unknown": 1}, "unknown")):
        installation.configure(**{**QUICK, **spoilt})
        with pytest.raises(NotReadyError, match=rf"status 2.*lockstep\.yaml: {told}"), installation.running():
            pass
