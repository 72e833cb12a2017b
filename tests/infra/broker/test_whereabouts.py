from pathlib import Path

from infra.broker.subscriber import Answer
from tests.infra.broker.kit import SOURCE, Scripted, event, outcomes, running, trigger, until

LATER = Answer(503, reason="sealed", retry_after=60.0)
PATIENT = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT60S"}


def test_position_moves_with_everything_that_happens(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        assert broker.whereabouts.position() == 0
        sequence = broker.accept(event(1), SOURCE).result(10)
        assert broker.wait_idle(10)
        position = broker.whereabouts.position()
        assert position == broker.timeline.lines()[-1].sequence > sequence
        assert broker.whereabouts.position_at(2**60) == sequence
        assert broker.whereabouts.position_at(0) == 0


def test_pending_tells_state_and_next_attempt_by_subject(tmp_path: Path) -> None:
    subscriber = Scripted(lambda one: LATER if one.subject == "s/1" else Answer(202))
    with running(tmp_path, {"sub": subscriber}, [trigger(delivery=PATIENT)], backoff_cap=60.0) as broker:
        stuck = broker.accept(event(1), SOURCE).result(10)
        behind = broker.accept(event(2), SOURCE).result(10)
        broker.accept(event(3, subject="s/2"), SOURCE).result(10)
        until(lambda: "retried" in outcomes(broker, stuck) or "superseded" in outcomes(broker, stuck))
        until(lambda: len(broker.whereabouts.pending()) == 1 and broker.whereabouts.pending()[0].state == "retried")
        (one,) = broker.whereabouts.pending(["s/1", "s/2", "s/1"])
        assert (one.event, one.route, one.status, one.reason) == (behind, "first", 503, "sealed")
        assert one.due is not None
        assert one.due > one.accepted
        assert broker.whereabouts.pending(["s/2"]) == ()


def test_newest_by_type_and_principal(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        first = broker.accept(event(1, "t.one"), SOURCE).result(10)
        second = broker.accept(event(2, "t.two"), SOURCE).result(10)
        newest = broker.whereabouts.newest
        assert newest(["s/1", "s/none"])["s/1"].sequence == second
        assert newest(["s/1"], ("t.one",))["s/1"].sequence == first
        assert newest(["s/1"], by="source:")["s/1"].principal == "source:test"
        assert newest(["s/1"], by="step:") == {}


def test_events_as_they_were_stored(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(10)
        found = broker.whereabouts.events([sequence, sequence, 10_000])
        assert {number: one.id for number, one in found.items()} == {sequence: "1"}
