"""One suite for `Timeline`: the fake and the embedded broker tell the same."""

from tests.contracts.conftest import Happenings


def test_nothing_happened(happenings: Happenings) -> None:
    timeline = happenings.evidence.timeline
    assert timeline.lines() == timeline.follow(0, 0.0) == ()
    assert timeline.traces() == ()
    assert timeline.trace(1) is None


def test_all_that_happened_to_an_event(happenings: Happenings) -> None:
    sequence = happenings.accept(1, "t.refused", correlationid="c")
    trace = happenings.evidence.timeline.trace(sequence)
    assert trace is not None
    assert (trace.event.sequence, trace.event.id, trace.event.correlation) == (sequence, "1", "c")
    assert (trace.event.principal, trace.event.repeated, trace.open) == ("source:test", False, ())
    accepted, given_up = trace.lines
    assert (accepted.sequence, accepted.route, accepted.outcome) == (sequence, None, "accepted")
    assert (given_up.route, given_up.outcome, given_up.attempts) == ("first", "dead-lettered", 1)
    assert (given_up.status, given_up.reason) == (422, "no such wiring")
    assert given_up.sequence > accepted.sequence
    assert given_up.at >= accepted.at == trace.event.at


def test_what_is_still_to_come(happenings: Happenings) -> None:
    sequence = happenings.accept(1, "t.later")
    trace = happenings.evidence.timeline.trace(sequence)
    assert trace is not None
    assert trace.open == ("first",)
    assert happenings.outcomes(sequence) == ["retried"]


def test_lines_in_order_from_a_position_on(happenings: Happenings) -> None:
    for number in range(3):
        happenings.accept(number)
    lines = happenings.evidence.timeline.lines()
    assert [line.sequence for line in lines] == list(range(1, 7))
    assert [line.outcome for line in lines] == ["accepted", "delivered"] * 3
    assert happenings.evidence.timeline.lines(4) == lines[4:]
    assert happenings.evidence.timeline.lines(1, limit=2) == lines[1:3]
    assert happenings.evidence.timeline.follow(4, 0.0) == lines[4:]
    assert happenings.evidence.timeline.follow(6, 0.0) == ()


def test_a_repeated_event_is_marked(happenings: Happenings) -> None:
    first, again = happenings.accept(1), happenings.accept(1)
    found = [happenings.evidence.timeline.trace(number) for number in (first, again)]
    assert [trace.event.repeated for trace in found if trace] == [False, True]


def test_traces_by_all_that_is_given(happenings: Happenings) -> None:
    for number in range(6):
        type_ = ("t.done", "t.refused", "t.later")[number % 3]
        happenings.accept(number, type_, f"s/{number}", correlationid=f"c{number // 3}")
    traces = happenings.evidence.timeline.traces

    def ids(**query: str) -> list[str]:
        return [trace.event.id for trace in traces(**query)]  # type: ignore[arg-type]  # as given

    assert ids() == ["0", "1", "2", "3", "4", "5"]
    assert ids(subject="s/1") == ["1"]
    assert ids(correlation="c1") == ["3", "4", "5"]
    assert ids(type="t.later", correlation="c1") == ["5"]
    assert [trace.event.id for trace in traces(limit=2)] == ["4", "5"]
    newest = traces(limit=1)[0].event.sequence
    assert [trace.event.id for trace in traces(limit=2, before=newest)] == ["3", "4"]
