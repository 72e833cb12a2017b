"""What happened, by subject, by correlation, and as it happens."""

import threading
from pathlib import Path

from infra.broker.records import Line
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import DEADLINE, SOURCE, Scripted, event, failing, running, trigger


def test_an_event_with_all_its_attempts(tmp_path: Path) -> None:
    subscribers = {"good": Scripted(), "bad": Scripted(failing(1, Answer(503, reason="sealed")))}
    with running(tmp_path, subscribers, [trigger("a", "good"), trigger("b", "bad")]) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        trace = broker.timeline.trace(sequence)
        assert trace is not None
        assert trace.open == ()
        assert trace.event.sequence == sequence
        by_route = {name: [line for line in trace.lines if line.route == name] for name in ("a", "b")}
        assert [(line.outcome, line.attempts) for line in by_route["a"]] == [("delivered", 1)]
        retried, delivered = by_route["b"]
        assert (retried.outcome, retried.status, retried.reason) == ("retried", 503, "sealed")
        assert (delivered.outcome, delivered.attempts, delivered.status) == ("delivered", 2, 202)
        assert all(line.took >= 0 and line.at >= trace.event.at for line in trace.lines)
        assert broker.timeline.trace(999) is None


def test_what_is_still_to_come(tmp_path: Path) -> None:
    sub = Scripted()
    sub.is_ready = False
    with running(tmp_path, {"sub": sub}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        trace = broker.timeline.trace(sequence)
        assert trace is not None
        assert trace.open == ("first",)


def test_queries(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        for number in range(6):
            sent = event(number, f"t.{number % 3}", f"s/{number % 2}", correlationid=f"c{number // 3}")
            broker.accept(sent, SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)

        def ids(**query: str | int) -> list[str]:
            return [trace.event.id for trace in broker.timeline.traces(**query)]  # type: ignore[arg-type]  # as given

        assert ids() == ["0", "1", "2", "3", "4", "5"]
        assert ids(subject="s/1") == ["1", "3", "5"]
        assert ids(correlation="c1") == ["3", "4", "5"]
        assert ids(type="t.2", subject="s/1") == ["5"]
        assert ids(limit=2) == ["4", "5"]
        newest = broker.timeline.traces(limit=1)[0].event.sequence
        assert ids(limit=2, before=newest) == ["3", "4"]


def test_followed_line_by_line_without_gap_or_repetition(tmp_path: Path) -> None:
    seen: list[Line] = []
    with running(tmp_path, {"sub": Scripted(failing(1, Answer(500)))}) as broker:

        def follow() -> None:
            position = 0
            while len(seen) < 90:
                lines = broker.timeline.follow(position, DEADLINE, limit=7)
                assert lines, "nothing came"
                position = lines[-1].sequence
                seen.extend(lines)

        follower = threading.Thread(target=follow)
        follower.start()
        for number in range(30):
            broker.accept(event(number, subject=f"s/{number}"), SOURCE)
        follower.join(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [line.sequence for line in seen] == list(range(1, 91))
        assert broker.timeline.follow(90, 0.0) == ()
    for number in range(30):
        told = [line.outcome for line in seen if line.event.id == str(number)]
        assert told == ["accepted", "retried", "delivered"]
