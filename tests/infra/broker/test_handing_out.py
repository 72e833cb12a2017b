"""Deliveries begin while their events become durable; a commit that fails after all leaves nothing of them."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import CloudEvent
from infra.broker import backlog
from infra.broker.broker import Broker
from infra.broker.errors import BrokerFullError
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import DEADLINE, DONE, SOURCE, Scripted, event, outcomes, running, trigger, until


class Commits:
    """The writer's connection, of which a test holds or fails commits."""

    def __init__(self, broker: Broker, at_commit: Callable[[], object]) -> None:
        self._real = broker._writer._connection
        self.at_commit = at_commit
        broker._writer._connection = self  # type: ignore[assignment]  # stands in for it

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            self.at_commit()
        return self._real.execute(statement, *values)


class Full(sqlite3.OperationalError):
    sqlite_errorcode = sqlite3.SQLITE_FULL  # as SQLite's own carries it


def failing(times: int) -> Callable[[], None]:
    left = [times]

    def fail() -> None:
        if left[0] > 0:
            left[0] -= 1
            raise Full("disk I/O error at commit")

    return fail


def test_a_delivery_begins_while_its_event_is_being_committed(tmp_path: Path) -> None:
    begun = threading.Event()

    def begin(_: CloudEvent) -> Answer:
        begun.set()
        return DONE

    with running(tmp_path, {"sub": Scripted(begin)}) as broker:
        commits = Commits(broker, lambda: begun.wait(DEADLINE))
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert begun.is_set(), "the commit waited for the subscriber, so the subscriber did not wait for the commit"
        commits.at_commit = lambda: None
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["delivered"]


@pytest.mark.parametrize("answer", [DONE, Answer(500, reason="broken"), Answer(422, reason="bad")])
def test_what_cannot_be_committed_leaves_no_trace(tmp_path: Path, answer: Answer) -> None:
    sub = Scripted(lambda _: answer)
    with running(tmp_path, {"sub": sub}) as broker:
        Commits(broker, failing(1))
        assert isinstance(broker.accept(event(1), SOURCE).exception(DEADLINE), BrokerFullError)
        assert broker.wait_idle(DEADLINE)
        assert sub.ids in ([], ["1"], ["1", "1"]), "it may have begun, and is not kept at"
        health = broker.health()
        assert (health.pending, health.dead_letters, health.full) == (0, 0, False)
        assert broker.ledger.head()[0] == 0
        sub.behaviour = lambda _: DONE
        again = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert again == 2, "the number that somebody saw is not given to another event"
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, again) == ["delivered"]
        assert broker._accounts.pending == 0
        found = broker.ledger.verify_chain()
        assert (found.intact, found.entries) == (True, 1)


def test_what_nobody_wants_is_counted_once_when_its_commit_fails(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}, [trigger(type_="t.other")]) as broker:
        Commits(broker, failing(1))
        assert isinstance(broker.accept(event(1), SOURCE).exception(DEADLINE), BrokerFullError)
        assert broker._accounts.pending == 0
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker._accounts.pending == 0


def test_replies_whose_commit_fails_are_stored_and_delivered_later(tmp_path: Path) -> None:
    first = Scripted(lambda _: Answer(200, (event("r", "t.two"),)))
    second = Scripted()
    triggers = [trigger("a", "one", "t.one"), trigger("b", "two", "t.two")]
    with running(tmp_path, {"one": first, "two": second}, triggers) as broker:
        sequence = 0
        commits = Commits(broker, lambda: None)

        def fill_up(_: CloudEvent) -> Answer:
            # Its acceptance may still be under way: from the next commit on, there is no room.
            until(lambda: broker._writer.commits > 0)
            commits.at_commit = failing(2)
            return Answer(200, (event("r", "t.two"),))

        first.behaviour = fill_up
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: outcomes(broker, sequence) == ["delivered"])
        assert broker.wait_idle(DEADLINE)
        assert first.ids == ["1"]
        assert set(second.ids) == {"r"}
        assert broker.health().pending == 0
        assert broker._accounts.pending == 0
        found = broker.ledger.verify_chain()
        assert (found.intact, found.entries) == (True, 2)


def test_what_is_not_kept_in_memory_waits_for_its_commit_and_is_not_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sub = Scripted()
    with running(tmp_path, {"sub": sub}) as broker:
        held = threading.Event()
        Commits(broker, lambda: held.wait(DEADLINE))
        first = broker.accept(event(1), SOURCE)  # its commit holds the next two back, into one transaction
        until(lambda: sub.ids == ["1"])
        monkeypatch.setattr(backlog, "MEMORY", 0)
        second = broker.accept(event(2), SOURCE)
        third = broker.accept(event(3), SOURCE)
        held.set()
        assert [one.result(DEADLINE) for one in (first, second, third)]
        assert broker.wait_idle(DEADLINE)
        assert sub.ids == ["1", "2", "3"]


def test_what_proves_that_it_was_accepted_waits_for_its_commit_and_is_not_passed(tmp_path: Path) -> None:
    proven, hints = Scripted(), Scripted()
    triggers = [trigger("a", "proven"), trigger("b", "hints")]
    with running(tmp_path, {"proven": proven, "hints": hints}, triggers, proves=[("a", event(1).type)]) as broker:
        held = threading.Event()
        Commits(broker, lambda: held.wait(DEADLINE))
        first = broker.accept(event(1), SOURCE)
        until(lambda: hints.ids == ["1"])
        second = broker.accept(event(2, "t.other"), SOURCE)  # begins early, were it not behind the first
        assert (proven.ids, broker.health().pending) == ([], 1)
        held.set()
        assert [one.result(DEADLINE) for one in (first, second)]
        assert broker.wait_idle(DEADLINE)
        assert (proven.ids, hints.ids) == (["1", "2"], ["1", "2"])


def test_what_proves_that_it_was_accepted_is_not_delivered_where_its_commit_fails(tmp_path: Path) -> None:
    sub = Scripted()
    with running(tmp_path, {"sub": sub}, proves=[("first", event(1).type)]) as broker:
        Commits(broker, failing(1))
        assert isinstance(broker.accept(event(1), SOURCE).exception(DEADLINE), BrokerFullError)
        assert broker.wait_idle(DEADLINE)
        assert sub.ids == []
        assert not broker._dispatcher._waiting
        broker.accept(event(2), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert sub.ids == ["2"]
