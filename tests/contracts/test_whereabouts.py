"""One suite for `Whereabouts`: the fake and the embedded broker know the same."""

from tests.contracts.conftest import Happenings


def test_the_position_moves_with_everything_that_happens(happenings: Happenings) -> None:
    whereabouts = happenings.evidence.whereabouts
    assert whereabouts.position() == 0
    sequence = happenings.accept(1)
    assert whereabouts.position() == happenings.evidence.timeline.lines()[-1].sequence > sequence


def test_the_position_at_a_time(happenings: Happenings) -> None:
    first, second = happenings.accept(1), happenings.accept(2)
    whereabouts = happenings.evidence.whereabouts
    trace = happenings.evidence.timeline.trace(second)
    assert trace is not None
    assert whereabouts.position_at(0) == 0
    assert whereabouts.position_at(trace.event.at) in (0, first)  # both may have been accepted at one moment
    assert whereabouts.position_at(2**60) == second


def test_what_is_not_over(happenings: Happenings) -> None:
    happenings.accept(1, "t.done")
    happenings.accept(2, "t.refused")
    later = [happenings.accept(number, "t.later") for number in (3, 4)]
    whereabouts = happenings.evidence.whereabouts
    assert [one.event for one in whereabouts.pending()] == later
    assert [one.event for one in whereabouts.pending(limit=1)] == later[:1]
    (one,) = whereabouts.pending(["s/4", "s/1", "s/4"])
    assert (one.event, one.route, one.state, one.attempts) == (later[1], "first", "retried", 1)
    assert (one.status, one.reason, one.type, one.subject) == (503, "sealed", "t.later", "s/4")
    assert one.due is not None
    assert one.due > one.accepted
    assert happenings.evidence.health().pending == 2


def test_the_newest_word_about_a_subject(happenings: Happenings) -> None:
    first = happenings.accept(1, "t.done", "s/x")
    second = happenings.accept(2, "t.refused", "s/x")
    newest = happenings.evidence.whereabouts.newest
    found = newest(["s/x", "s/none"])
    assert found.keys() == {"s/x"}
    assert (found["s/x"].sequence, found["s/x"].type, found["s/x"].principal) == (second, "t.refused", "source:test")
    assert newest(["s/x"], ("t.done",))["s/x"].sequence == first
    assert newest(["s/x"], by="source:")["s/x"].sequence == second
    assert newest(["s/x"], by="step:") == newest(["s/x"], ("t.none",)) == newest([]) == {}


def test_events_as_they_were_stored(happenings: Happenings) -> None:
    sequence = happenings.accept(1)
    found = happenings.evidence.whereabouts.events([sequence, sequence, 10_000])
    assert {number: one.id for number, one in found.items()} == {sequence: "1"}
    assert found[sequence].extensions["lockstepactor"] == "source:test"
    assert found[sequence].data == b'{"n":1}'
