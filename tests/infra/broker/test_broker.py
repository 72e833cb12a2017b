"""The broker as a whole: durable acceptance, limits, back-pressure, a full disk, stopping."""

import threading
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import CloudEvent
from infra.broker import settler
from infra.broker.admission import Admission, Rule
from infra.broker.broker import Broker
from infra.broker.errors import BrokerClosedError, BrokerFullError, RefusedError, TriggerError
from infra.broker.limits import Limit, Limits
from infra.broker.principal import ANONYMOUS
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import (
    ANYTHING,
    DEADLINE,
    DONE,
    OPERATOR,
    SOURCE,
    Scripted,
    event,
    outcomes,
    running,
    trigger,
    until,
)


def limit_pages(broker: Broker, pages: int) -> None:
    """Make the disk full, as SQLite sees it, or give it room again."""
    broker._writer.submit(lambda t: t.sql.execute(f"PRAGMA max_page_count={pages}").fetchone()).result(DEADLINE)


def test_all_or_none(tmp_path: Path) -> None:
    table = Admission(rules=(Rule("source:test", "t.one"),))
    sub = Scripted()
    with running(tmp_path, {"sub": sub}, admission=table) as broker:
        with pytest.raises(RefusedError):
            broker.accept_many([event(1), event(2, "t.two")], SOURCE)
        assert broker.accept_many([event(3), event(4)], SOURCE).result(DEADLINE) == (1, 2)
        assert broker.wait_idle(DEADLINE)
        assert broker.ledger.head()[0] == 2
    assert sub.ids == ["3", "4"]


def test_what_nobody_wants_is_accepted_and_entered(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}, [trigger(type_="t.one")]) as broker:
        sequence = broker.accept(event(1, "t.other"), SOURCE).result(DEADLINE)
        assert outcomes(broker, sequence) == []
        assert (broker.health().pending, broker.ledger.head()[0]) == (0, 1)


def test_a_slow_consumer_pushes_back_and_loses_nothing(tmp_path: Path) -> None:
    opened = threading.Event()

    def slow(_: CloudEvent) -> Answer:
        assert opened.wait(DEADLINE)
        return DONE

    sub = Scripted(slow)
    limits = Limits(Limit(pending=10), {"operator": Limit(pending=100)}, total=15)
    with running(tmp_path, {"sub": sub}, limits=limits) as broker:
        accepted = [broker.accept(event(n, subject=f"s/{n}"), SOURCE).result(DEADLINE) for n in range(10)]
        with pytest.raises(RefusedError) as refused:
            broker.accept(event("more"), SOURCE)
        assert (refused.value.status, refused.value.retry_after) == (503, 5)
        health = broker.health()
        assert health.pending == 10
        opened.set()
        assert broker.wait_idle(DEADLINE)
        assert all(outcomes(broker, number) == ["delivered"] for number in accepted)
        broker.accept(event("more"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert broker.health().stalled_for == 0.0
    assert len(sub.seen) == 11


def test_stall_age_is_that_of_the_oldest_pending_event(tmp_path: Path) -> None:
    now = [1000.0]
    sub = Scripted()
    sub.is_ready = False
    with running(tmp_path, {"sub": sub}, clock=lambda: now[0]) as broker:
        for _ in range(2):
            broker.accept(event(1), SOURCE).result(DEADLINE)
            now[0] += 30
        assert broker.health().stalled_for == 60.0
        now[0] = 0.0
        assert broker.health().stalled_for == 0.0, "a clock that was moved back"
        sub.is_ready = True
        broker.nudge()
        assert broker.wait_idle(DEADLINE)


def test_a_full_disk_refuses_loses_nothing_and_recovers(tmp_path: Path) -> None:
    sub = Scripted()
    limits = Limits(Limit(rate=1e6, burst=10**6, pending=10**6))
    with running(tmp_path, {"sub": sub}, limits=limits) as broker:
        limit_pages(broker, 80)
        futures = [broker.accept(event(n, subject=f"s/{n}", filler="x" * 2000), SOURCE) for n in range(200)]
        stored = {str(n) for n, future in enumerate(futures) if future.exception(DEADLINE) is None}
        failures = [future.exception() for future in futures if future.exception() is not None]
        assert stored
        assert failures
        assert all(isinstance(failure, BrokerFullError) and failure.retry_after > 0 for failure in failures)
        until(lambda: set(sub.ids) >= stored)
        limit_pages(broker, 100_000)
        assert broker.wait_idle(DEADLINE)
        # What could not be stored may have begun, but only once: it is not handed out again before it is stored.
        assert all(sub.ids.count(one) <= 1 + (one in stored) for one in set(sub.ids))
        assert broker.accept(event("after"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert not broker.health().full
        assert broker.health().pending == 0
        found = broker.ledger.verify_chain()
        assert (found.intact, found.entries) == (True, len(stored) + 1)


def test_an_outcome_that_cannot_be_stored_is_stored_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up while a step works: its replies and its end are one transaction, which waits for space."""
    monkeypatch.setattr(settler, "_FULL_PAUSE", 0.01)
    attempts: list[object] = []
    first, second = Scripted(), Scripted()
    triggers = [trigger("a", "one", "t.one"), trigger("b", "two", "t.two")]
    with running(tmp_path, {"one": first, "two": second}, triggers) as broker:
        write = broker._writer._transact

        def counted(jobs: Any, each: Any) -> Any:
            attempts.append(jobs)
            return write(jobs, each)

        monkeypatch.setattr(broker._writer, "_transact", counted)

        def fill_up(_: CloudEvent) -> Answer:
            limit_pages(broker, 1)
            return Answer(200, tuple(event(f"r{n}", "t.two", f"s/{n}", filler="x" * 8000) for n in range(20)))

        first.behaviour = fill_up
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: broker.health().full)
        assert outcomes(broker, sequence) == []
        until(lambda: len(second.ids) == 20)
        begun = second.ids  # at the first attempt to write them, and not with every one
        tried = len(attempts)
        until(lambda: len(attempts) > tried + 3)
        assert second.ids == begun
        limit_pages(broker, 100_000)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["delivered"]
    assert sorted(second.ids) == sorted(begun + [f"r{n}" for n in range(20)])
    assert first.ids == ["1"]


def test_a_backlog_beyond_memory_is_read_from_disk_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.broker.backlog.MEMORY", 25_000)
    sub = Scripted()
    sub.is_ready = False
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept_many([event(n, f"t.{n}") for n in range(100)], SOURCE).result(DEADLINE)
        sub.is_ready = True
        broker.nudge()
        assert broker.wait_idle(DEADLINE)
    assert sub.ids == [str(n) for n in range(100)]


def test_draining_lets_attempts_end_and_keeps_the_rest(tmp_path: Path) -> None:
    entered, opened = threading.Event(), threading.Event()

    def slow(_: CloudEvent) -> Answer:
        entered.set()
        assert opened.wait(DEADLINE)
        return DONE

    sub = Scripted(slow)
    broker = Broker(tmp_path / "broker.db", [trigger()], {"sub": sub}, ANYTHING)
    broker.start()
    for number in range(3):
        broker.accept(event(number), SOURCE).result(DEADLINE)
    assert entered.wait(DEADLINE)
    draining = threading.Thread(target=broker.drain, args=(DEADLINE,))
    draining.start()
    until(lambda: not broker._running)
    with pytest.raises(BrokerClosedError):
        broker.accept(event("late"), SOURCE)
    opened.set()
    draining.join(DEADLINE)
    assert sub.ids == ["0"]
    rest = Scripted()
    with running(tmp_path, {"sub": rest}) as again:
        assert again.wait_idle(DEADLINE)
    assert rest.ids == ["1", "2"]


def test_an_attempt_that_outlasts_the_drain_is_made_again(tmp_path: Path) -> None:
    entered, opened = threading.Event(), threading.Event()

    def stuck(_: CloudEvent) -> Answer:
        entered.set()
        opened.wait(DEADLINE)
        return DONE

    broker = Broker(tmp_path / "broker.db", [trigger()], {"sub": Scripted(stuck)}, ANYTHING)
    broker.start()
    broker.accept(event(1), SOURCE).result(DEADLINE)
    assert entered.wait(DEADLINE)
    assert broker.drain(0.01) is False
    opened.set()
    again = Scripted()
    with running(tmp_path, {"sub": again}) as restarted:
        assert restarted.wait_idle(DEADLINE)
    assert again.ids == ["1"]


def test_what_a_removed_trigger_left_is_abandoned_by_somebody(tmp_path: Path) -> None:
    sub = Scripted()
    sub.is_ready = False
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept_many([event(n, f"t.{n}") for n in range(3)], SOURCE).result(DEADLINE)
        with pytest.raises(TriggerError, match="is configured"):
            broker.abandon("first", OPERATOR)
        broker.replace([trigger("second")], {"sub": sub})
        broker.abandon("first", OPERATOR)
        assert broker.wait_idle(DEADLINE)
        letters = broker.dead_letters.list()
        assert [(letter.id, letter.code) for letter in letters] == [("0", 410), ("1", 410), ("2", 410)]
        entries = [entry for entry in broker.ledger.entries() if entry.kind == "dead-letter"]
        assert {entry.principal for entry in entries} == {"operator:1000"}
        broker.replace([trigger("first")], {"sub": sub})
        sub.is_ready = True
        broker.dead_letters.replay(letters[0].n, OPERATOR).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
    assert sub.ids == ["0"]


def test_a_readiness_that_raises_is_not_ready(tmp_path: Path) -> None:
    class Broken(Scripted):
        broken = True

        def ready(self) -> bool:
            if self.broken:
                raise OSError("no answer")
            return True

    sub = Broken()
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: broker.health().held == {"first": 1})
        sub.broken = False
        assert broker.wait_idle(DEADLINE)
    assert sub.ids == ["1"]


def test_configuration_that_names_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TriggerError, match="names service:lockstep/sub, which is not served here; known are other"):
        Broker(tmp_path / "broker.db", [trigger()], {"other": Scripted()}, ANYTHING)
    with running(tmp_path, {"sub": Scripted()}) as broker:
        with pytest.raises(TriggerError):
            broker.replace([trigger()], {})
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE), "a refused configuration changes nothing"


def test_an_anonymous_order_leaves_no_trace(tmp_path: Path) -> None:
    table = Admission(reserved=frozenset({"t.one"}))
    with running(tmp_path, {"sub": Scripted()}, admission=table) as broker:
        with pytest.raises(RefusedError) as refused:
            broker.accept(event(1), ANONYMOUS)
        assert refused.value.status == 401
        assert (broker.ledger.head()[0], broker.health().pending) == (0, 0)
        assert broker.health().running
    assert not broker._running
