"""Events and dead letters, each written down once; nothing that was answered is lost when the process is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from functions._failures import Retry
from infra.broker.errors import BrokerClosedError, DeadLetterError, RefusedError, UnknownDeadLetterError
from infra.broker.principal import Principal
from infra.hosts.recording.book import BROKER, GivenUp, RecordBook
from tests.infra.hosts.steps import changed

WAIT = 20.0
WHY = GivenUp("publish", "http://publish.lockstep.svc.cluster.local", 503, "the authority is sealed")
_KILLED = """
import sys
from pathlib import Path
from infra.hosts.recording.book import RecordBook
from tests.infra.hosts.steps import changed
book = RecordBook(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    book.record(changed(str(number))).result(20)
    print(changed(str(number)).id, flush=True)
"""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[RecordBook]:
    with closing(RecordBook(tmp_path / "broker.db")) as made:
        yield made


def test_an_event_is_written_down_once(book: RecordBook) -> None:
    event = changed()
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda _: book.record(event).result(WAIT), range(16)))
    assert new.count(True) == 1
    assert [(entry.kind, entry.id, entry.principal) for entry in book.ledger.entries()] == [
        ("accepted", event.id, str(BROKER))
    ]
    assert len(book.timeline.traces()) == 1
    assert book.record(changed("other")).result(WAIT)
    assert book.ledger.verify_chain().intact


def test_what_may_be_passed_on_no_more_is_written_down(book: RecordBook) -> None:
    assert book.record(changed().with_extensions(knativebrokerttl="1")).result(WAIT)


def test_what_is_too_large_is_refused(book: RecordBook) -> None:
    with pytest.raises(RefusedError) as refused:
        book.record(changed().with_extensions(large="x" * 2_000_000))
    assert refused.value.status == 413
    assert book.ledger.head()[0] == 0


@pytest.mark.parametrize("before", [False, True], ids=["unheard of", "written down"])
def test_a_dead_letter_is_written_down_once(book: RecordBook, before: bool) -> None:
    event = changed()
    if before:
        book.record(event).result(WAIT)
    assert [book.give_up(event, WHY).result(WAIT) for _ in range(3)] == [True, False, False]
    elsewhere = GivenUp("materialize", "http://materialize", 422, "no\nline")
    assert book.give_up(event, elsewhere).result(WAIT)
    assert not book.record(event).result(WAIT)
    assert [entry.kind for entry in book.ledger.entries()] == ["accepted", "dead-letter", "dead-letter"]
    first, second = book.dead_letters.list()
    assert (first.route, first.code, first.reason, first.id) == ("publish", 503, WHY.reason, event.id)
    assert second.reason == "no line"
    letter, shown = book.dead_letters.show(first.n)
    assert (letter.destination, shown.extensions["knativeerrorcode"]) == (WHY.destination, "503")
    assert (book.health().dead_letters, book.health().running) == (2, True)
    assert book.ledger.verify_chain().intact


def test_a_dead_letter_that_was_dropped_stays_dropped(book: RecordBook) -> None:
    event, operator = changed(), Principal("operator", "1000")
    book.give_up(event, WHY).result(WAIT)
    (letter,) = book.dead_letters.list()
    with pytest.raises(DeadLetterError, match="there is no broker"):
        book.dead_letters.replay(letter.n, operator).result(WAIT)
    book.dead_letters.drop(letter.n, operator).result(WAIT)
    assert not book.give_up(event, WHY).result(WAIT)
    assert book.dead_letters.count() == 0
    assert [entry.kind for entry in book.ledger.entries()] == ["accepted", "dead-letter", "drop"]


def test_it_delivers_nothing(book: RecordBook) -> None:
    with pytest.raises(BrokerClosedError, match="broker's ingress"):
        book.accept_many((changed(),), Principal("operator", "1000"))


def test_nothing_that_was_confirmed_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[4],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    confirmed = [child.stdout.readline().strip() for _ in range(50)]
    child.send_signal(signal.SIGKILL)
    confirmed += child.stdout.read().splitlines()[:-1]  # the last line may be half of one
    child.wait(WAIT)
    child.stdout.close()
    with closing(RecordBook(path)) as book:
        kept = [entry.id for entry in book.ledger.entries()]
        assert kept[: len(confirmed)] == confirmed
        assert len(set(kept)) == len(kept)
        assert book.ledger.verify_chain().intact
        assert not book.record(changed("1")).result(WAIT)


def test_a_dead_letter_is_sent_again_and_may_be_given_up_once_more(tmp_path: Path) -> None:
    sent: list[CloudEvent] = []
    operator = Principal("operator", "1000")
    with closing(RecordBook(tmp_path / "again.db", send=sent.append)) as book:
        event = changed()
        errors = {"knativeerrordest": "http://publish", "knativeerrorcode": "503"}
        assert book.give_up(event.with_extensions(**dict.fromkeys(errors)), WHY).result(10)
        (letter,) = book.dead_letters.list()
        book.dead_letters.replay(letter.n, operator).result(10)
        assert [(one.id, one.source, one.type, one.data) for one in sent] == [
            (event.id, event.source, event.type, event.data)
        ]
        assert not any(sent[0].extension(name) for name in errors)
        assert book.dead_letters.count() == 0
        with pytest.raises(DeadLetterError, match="was replayed by operator:1000 already"):
            book.dead_letters.replay(letter.n, operator).result(10)
        for act in (book.dead_letters.replay, book.dead_letters.drop):
            with pytest.raises(UnknownDeadLetterError):
                act(99, operator).result(10)
        assert book.record(sent[0]).result(10) is False, "it was accepted once"
        assert book.give_up(event, WHY).result(10), "it failed again"
        assert [entry.kind for entry in book.ledger.entries()] == ["accepted", "dead-letter", "replay", "dead-letter"]
        (again,) = book.dead_letters.list()
        assert again.n != letter.n


def test_what_the_broker_does_not_take_stays_open(tmp_path: Path) -> None:
    def refusing(event: CloudEvent) -> None:
        raise Retry("the sink answered 503")

    for send, said in ((refusing, "the sink answered 503"), (None, "set K_SINK")):
        with closing(RecordBook(tmp_path / f"{said[-4:]}.db", send=send)) as book:
            book.give_up(changed(), WHY).result(10)
            (letter,) = book.dead_letters.list()
            with pytest.raises(DeadLetterError, match=said):
                book.dead_letters.replay(letter.n, Principal("operator", "1000")).result(10)
            assert book.dead_letters.count() == 1
