"""One suite for `DeadLetters`: the fake and the embedded broker do the same."""

import base64

import pytest

from infra.broker.errors import DeadLetterError, UnknownDeadLetterError
from tests.contracts.conftest import Happenings
from tests.infra.broker.kit import DEADLINE, OPERATOR


def test_none(happenings: Happenings) -> None:
    happenings.accept(1)
    letters = happenings.evidence.dead_letters
    assert (letters.list(), letters.count()) == ((), 0)
    with pytest.raises(UnknownDeadLetterError, match="there is no dead letter 1"):
        letters.show(1)
    for act in (letters.replay, letters.drop):
        with pytest.raises(UnknownDeadLetterError, match="there is no dead letter 1"):
            act(1, OPERATOR).result(DEADLINE)


def test_listed_in_pages_and_shown(happenings: Happenings) -> None:
    sequences = [happenings.accept(number, "t.refused", correlationid=f"c{number}") for number in range(3)]
    letters = happenings.evidence.dead_letters
    assert [letter.event for letter in letters.list()] == sequences
    assert [letter.n for letter in letters.list(limit=2)] == [1, 2]
    assert [letter.n for letter in letters.list(after=2)] == [3]
    assert letters.count() == happenings.evidence.health().dead_letters == 3
    letter, event = letters.show(2)
    assert letter == letters.list()[1]
    assert (letter.route, letter.code, letter.reason, letter.attempts) == ("first", 422, "no such wiring", 1)
    assert (letter.id, letter.type, letter.subject, letter.correlation) == ("1", "t.refused", "s/1", "c1")
    assert (letter.closed, letter.outcome, letter.closer) == (None, None, None)
    assert (event.id, event.extensions["knativeerrorcode"]) == ("1", "422")
    assert event.extensions["knativeerrordest"] == letter.destination
    assert base64.b64decode(event.extensions["knativeerrordata"]) == b"no such wiring"


def test_replayed_after_its_cause_is_mended(happenings: Happenings) -> None:
    sequence = happenings.accept(1, "t.refused")
    happenings.mended = True
    letters = happenings.evidence.dead_letters
    letters.replay(1, OPERATOR).result(DEADLINE)
    happenings.attempted(sequence, 3)
    assert happenings.outcomes(sequence) == ["dead-lettered", "replayed", "delivered"]
    assert (letters.list(), letters.count()) == ((), 0)
    (letter,) = letters.list(include_closed=True)
    assert (letter.outcome, letter.closer) == ("replayed", "operator:1000")
    assert letter.closed is not None
    assert letter.closed >= letter.at


def test_replayed_in_vain_it_is_another_one(happenings: Happenings) -> None:
    sequence = happenings.accept(1, "t.refused")
    letters = happenings.evidence.dead_letters
    letters.replay(1, OPERATOR).result(DEADLINE)
    happenings.attempted(sequence, 3)
    assert [letter.n for letter in letters.list()] == [2]
    assert [letter.n for letter in letters.list(include_closed=True)] == [1, 2]


def test_dropped_for_good(happenings: Happenings) -> None:
    sequence = happenings.accept(1, "t.refused")
    letters = happenings.evidence.dead_letters
    letters.drop(1, OPERATOR).result(DEADLINE)
    assert happenings.outcomes(sequence) == ["dead-lettered", "dropped"]
    assert letters.count() == 0
    for act in (letters.replay, letters.drop):
        with pytest.raises(DeadLetterError, match="dropped by operator:1000 already"):
            act(1, OPERATOR).result(DEADLINE)


def test_what_was_done_is_in_the_ledger(happenings: Happenings) -> None:
    for number in (1, 2):
        happenings.accept(number, "t.refused")
    happenings.evidence.dead_letters.drop(1, OPERATOR).result(DEADLINE)
    happenings.evidence.dead_letters.replay(2, OPERATOR).result(DEADLINE)
    kept = [(entry.kind, entry.id, entry.principal) for entry in happenings.evidence.ledger.entries()]
    assert ("drop", "1", "operator:1000") in kept
    assert ("replay", "2", "operator:1000") in kept
