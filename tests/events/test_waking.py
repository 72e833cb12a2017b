"""An order that wakes something else begins a chain of its own; about the same thing, it goes on with its cause's."""

from datetime import UTC, datetime, timedelta

import pytest

from events.envelope import MAX_HOPS, issue, read
from events.errors import EventError
from events.references import PathRef
from events.rotation import PhaseRequested

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def order(path: str) -> PhaseRequested:
    at = PathRef(mount="secret", path=path)
    return PhaseRequested(path=at, rotation="0" * 32, expires=NOW + timedelta(hours=1), reason="test")


def test_a_slot_that_was_given_back_is_no_cause() -> None:
    cause = read(issue(order("a"), source="test", now=NOW))
    for number in range(100):
        wire = issue(order(f"b-{number}"), source="test", now=NOW, cause=cause, step="promote", ordinal=number)
        assert wire.extension("causationid") == cause.id
        cause = read(wire)
        assert (cause.hops, cause.correlation) == (0, cause.id)


def test_about_the_same_path_hops_are_counted() -> None:
    cause = read(issue(order("a"), source="test", now=NOW))
    for hop in range(1, MAX_HOPS + 1):
        cause = read(issue(order("a"), source="test", now=NOW, cause=cause, step="promote"))
        assert cause.hops == hop
    with pytest.raises(EventError, match="a loop"):
        issue(order("a"), source="test", now=NOW, cause=cause, step="promote")
