"""Targets are read a few ahead, each once, whatever order they are taken in (functions/_ahead.py)."""

import pytest

from events.references import SecretRef
from functions._ahead import TargetsAhead
from functions._failures import Retry
from tests.fakes.world import World

REFS = tuple(SecretRef(namespace="apps", name=name) for name in ("a", "b", "c", "d"))


@pytest.fixture
def world() -> World:
    made = World()
    for ref in REFS:
        made.secrets.put(ref, {"k": ref.name.encode()})
    return made


def read(world: World) -> list[str]:
    return [subject for verb, subject in world.secrets.calls if verb == "read"]


def test_the_next_ones_are_asked_for_while_one_is_worked_with(world: World) -> None:
    with TargetsAhead(REFS, world.ports) as ahead:
        assert read(world) == ["apps/a", "apps/b"]
        for ref, asked in zip(REFS, (3, 4, 4, 4), strict=True):
            found = ahead.read(ref)
            assert found is not None
            assert found.ref == ref
            assert len(read(world)) == asked


def test_what_is_taken_again_is_read_again(world: World) -> None:
    with TargetsAhead(REFS[:1], world.ports) as ahead:
        first = ahead.read(REFS[0])
        world.secrets.put(REFS[0], {"k": b"changed"})
        second = ahead.read(REFS[0])
    assert first is not None
    assert second is not None
    assert first.state != second.state


def test_a_failure_is_raised_when_the_target_is_taken(world: World) -> None:
    world.secrets.half_written.add(REFS[0])
    with TargetsAhead(REFS, world.ports) as ahead:
        with pytest.raises(Retry):
            ahead.read(REFS[0])
        assert ahead.read(REFS[1]) is not None
