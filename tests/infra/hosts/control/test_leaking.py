"""What `lockstep leak list` and `show` say of a finding: how it stands now, and what to do about it."""

import re
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.cli.leak import lines
from infra.hosts.control.leaking import listed, refuse_unwired, shown
from infra.hosts.control.request import ControlError
from tests.fakes.world import path
from tests.functions.leaking import (
    OLD,
    ORDERS,
    PRODUCED,
    LeakWorld,
    carries,
    fingerprint,
    indexed,
    leaking,
    order,
    report,
    rotated,
    rotating,
    version,
)

README = Path(__file__).parents[4] / "README.md"


def printed(world: LeakWorld, leak: str) -> list[str]:
    return list(lines(shown(world.ports, leak)))


def only(world: LeakWorld) -> Any:
    (one,) = listed(world.ports, None)["leaks"]
    return one


def tick(world: LeakWorld) -> None:
    world.clock.advance(700)
    world.tick("rotations")
    world.settle()


def without_values(line: str) -> str:
    """A line without what differs each time: ids, moments, places, counts."""
    words = re.sub(r"secret/[a-z/-]+( [a-z]+)?", "PATH", line)
    return re.sub(r"[0-9a-f]{32}|[0-9][-0-9.:TZ]*|\(.*\)|[a-z]+/[a-z]+", "#", words).rstrip()


def test_the_readme_shows_a_contained_leak_as_it_is_printed() -> None:
    world = indexed(leaking())
    leak = report(
        world, fingerprint=fingerprint(world, OLD), reporter="reporter:alertmanager", detector="SecretInLog", place="x"
    )
    order(world, leak, "confirm")
    rotated(world)
    carries(world, version(world))
    tick(world)
    text = README.read_text(encoding="utf-8").split("$ lockstep leak show ", 1)[1].split("\n", 1)[1]
    said = [one for one in text.split("\n$ ", 1)[0].splitlines() if not one.startswith("    +")]
    ours = [one for one in printed(world, leak) if not one.startswith("    +")]
    begin = ("leak ", "  secret: ", "  contained in ", "  known by: ")
    for start in begin:
        theirs = [without_values(one) for one in said if one.startswith(start)]
        assert theirs == [without_values(one) for one in ours if one.startswith(start)], start
    assert [one.endswith(": revoked") for one in ours if one.startswith("  secret: ")] == [True]


def test_a_rotation_under_way_and_its_end() -> None:
    world = leaking()
    carries(world, version(world))
    leak = report(world, path=ORDERS)
    assert any(line.endswith("version 1: rotating") for line in printed(world, leak))
    rotated(world)
    assert any(line.endswith("version 1: revoked") for line in printed(world, leak))  # and consumers are awaited
    assert only(world)["state"] == "confirmed"


def test_what_was_given_up_is_said_with_what_to_do() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    rotating(world, "aborted", version(world))
    tick(world)
    report(world, path=ORDERS)
    said = printed(world, leak)
    assert said[0] == f"leak {leak}: confirmed, its rotation was given up"
    assert any(line.endswith("version 1: aborted") for line in said)
    assert any("waits for: " in line and "`lockstep leak confirm`" in line for line in said)
    assert any("stopped by contain" in line for line in said)
    assert any("again, after rotation 1 was given up" in line for line in said)
    assert only(world)["stopped"] == "aborted"


def test_what_somebody_vouches_for_is_attested() -> None:
    world = leaking()
    world.authority.foreign_write(PRODUCED, {"password": "a-secret-of-redis-1"})
    leak = report(world, path=PRODUCED)
    assert any(line.endswith("version 1: owner") for line in printed(world, leak))
    order(world, leak, "attest")
    assert any(line.endswith("version 1: attested") for line in printed(world, leak))


def test_a_finding_is_found_by_the_ids_of_those_that_joined_it() -> None:
    world = leaking()
    leak = report(world, path=ORDERS)
    world.clock.advance(1)
    other = report(world, "other", path=ORDERS)
    assert shown(world.ports, other[:12])["id"] == leak
    assert any(line == "  joined by: 1 other finding" for line in printed(world, leak))
    with pytest.raises(ControlError, match="there is no leak"):
        shown(world.ports, "0000")


def test_what_was_reported_is_shown() -> None:
    world = indexed(leaking())
    made = fingerprint(world, OLD)
    leak = report(world, path=ORDERS, key="password", version=1, fingerprint=made, place="build 7")
    said = printed(world, leak)
    assert f"  reported: {ORDERS}, key password, version 1, fingerprint {made[:15]}…" in said
    assert "  found at: build 7" in said
    assert made not in "\n".join(said)


def test_unknown_is_said_of_what_it_is_unknown() -> None:
    world = indexed(leaking())
    nowhere = path("platform-data/postgres/ordres")
    nothing = fingerprint(world, "a-value-of-nobody-at-all")
    expected = {
        report(world, "a typo", path=nowhere): f"nothing that is wired is called {nowhere}",
        report(world, "a version", path=ORDERS, version=99): f"version 99 of {ORDERS} was never seen",
        report(world, "an empty path", path=PRODUCED): f"nothing was ever seen at {PRODUCED}",
        report(world, "a value", fingerprint=nothing): "no value that the index knows has its fingerprint",
    }
    for leak, why in expected.items():
        assert f"  dismissed: unknown: {why}" in printed(world, leak)


def test_a_slip_of_the_operators_hand_is_told_with_what_is_near() -> None:
    ports = leaking().ports
    refuse_unwired([ORDERS, PRODUCED], ports)
    with pytest.raises(ControlError) as near:
        refuse_unwired([ORDERS, path("platform-data/postgres/ordres")], ports)
    assert near.value.status == 404
    assert f"; near: {ORDERS}" in near.value.message
    assert "--force" in near.value.message
    with pytest.raises(ControlError, match="`lockstep status` lists what is"):
        refuse_unwired([path("zzz")], ports)
