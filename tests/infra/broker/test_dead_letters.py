"""Dead letters: shown, replayed, dropped, on record."""

import base64
from pathlib import Path

import pytest

from infra.broker.errors import DeadLetterError
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import DEADLINE, DONE, OPERATOR, SOURCE, Scripted, event, outcomes, running, trigger


def rejecting(reason: str = "no such wiring") -> Scripted:
    return Scripted(lambda _: Answer(422, reason=reason))


def test_shown_with_the_error_attributes(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        broker.accept(event(1, correlationid="c"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        letter, shown = broker.dead_letters.show(1)
        assert (letter.route, letter.code, letter.correlation, letter.outcome) == ("first", 422, "c", None)
        assert shown.extensions["knativeerrordest"] == "service:lockstep/sub"
        assert shown.extensions["knativeerrorcode"] == "422"
        assert base64.b64decode(shown.extensions["knativeerrordata"]) == b"no such wiring"
        with pytest.raises(DeadLetterError, match="there is no dead letter 9"):
            broker.dead_letters.show(9)


def test_replayed_by_somebody_and_delivered(tmp_path: Path) -> None:
    sub = rejecting()
    with running(tmp_path, {"sub": sub}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        sub.behaviour = lambda _: DONE
        broker.dead_letters.replay(1, OPERATOR).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["dead-lettered", "replayed", "delivered"]
        assert broker.dead_letters.list() == ()
        (letter,) = broker.dead_letters.list(include_closed=True)
        assert (letter.outcome, letter.closer) == ("replayed", "operator:1000")
        kinds = [(entry.kind, entry.principal, entry.id) for entry in broker.ledger.entries()]
        assert kinds == [
            ("accepted", "source:test", "1"),
            ("dead-letter", "step:sub", "1"),
            ("replay", "operator:1000", "1"),
        ]
        assert broker.health().pending == 0
        with pytest.raises(DeadLetterError, match="was replayed by operator:1000 already"):
            broker.dead_letters.drop(1, OPERATOR).result(DEADLINE)


def test_a_replay_that_fails_is_a_dead_letter_again(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        broker.dead_letters.replay(1, OPERATOR).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [letter.n for letter in broker.dead_letters.list()] == [2]
        assert [letter.n for letter in broker.dead_letters.list(include_closed=True)] == [1, 2]


def test_a_replay_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
    later = Scripted()
    later.is_ready = False
    with running(tmp_path, {"sub": later}) as broker:
        broker.dead_letters.replay(1, OPERATOR).result(DEADLINE)
    later.is_ready = True
    with running(tmp_path, {"sub": later}) as broker:
        assert broker.wait_idle(DEADLINE)
    assert later.ids == ["1"]


def test_dropped_by_somebody(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        broker.dead_letters.drop(1, OPERATOR).result(DEADLINE)
        assert broker.dead_letters.count() == 0
        assert outcomes(broker, sequence) == ["dead-lettered", "dropped"]
        assert [entry.kind for entry in broker.ledger.entries()][-1] == "drop"
        for unknown in (1, 9):
            with pytest.raises(DeadLetterError):
                broker.dead_letters.replay(unknown, OPERATOR).result(DEADLINE)
        assert broker.ledger.head()[0] == 3, "what was refused left no entry"


def test_not_replayed_to_a_trigger_that_is_gone(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        broker.replace([trigger("second")], {"sub": Scripted()})
        with pytest.raises(DeadLetterError, match="Trigger first, which is not configured"):
            broker.dead_letters.replay(1, OPERATOR).result(DEADLINE)
        assert broker.dead_letters.count() == 1


def test_listed_in_pages(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": rejecting()}) as broker:
        broker.accept_many([event(n, subject=f"s/{n}") for n in range(5)], SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [letter.n for letter in broker.dead_letters.list(limit=2)] == [1, 2]
        assert [letter.n for letter in broker.dead_letters.list(after=3)] == [4, 5]


def test_there_is_one_open_dead_letter_per_thing(tmp_path: Path) -> None:
    sub = rejecting()
    with running(tmp_path, {"sub": sub}) as broker:
        for number in range(3):
            broker.accept(event(number), SOURCE).result(DEADLINE)
            assert broker.wait_idle(DEADLINE)
        broker.accept(event("other", subject="s/2"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [letter.id for letter in broker.dead_letters.list()] == ["2", "other"]
        sub.behaviour = lambda _: DONE
        broker.accept(event("mended"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [letter.id for letter in broker.dead_letters.list()] == ["other"]
        closed = broker.dead_letters.list(include_closed=True)[:3]
        assert {letter.outcome for letter in closed} == {"superseded"}
