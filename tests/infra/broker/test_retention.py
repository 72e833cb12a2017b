"""Forgetting what is through, and only that."""

from pathlib import Path

from infra.broker.retention import Retention
from infra.broker.subscriber import Answer
from tests.infra.broker.kit import DEADLINE, DONE, OPERATOR, SOURCE, Scripted, event, running, trigger, until


def test_by_count_and_by_age(tmp_path: Path) -> None:
    now = [1_000_000.0]
    with running(tmp_path, {"sub": Scripted()}, clock=lambda: now[0]) as broker:
        broker.accept_many([event(n) for n in range(1200)], SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert broker.pruner.prune(Retention(days=1, count=2000)) == 0
        assert broker.pruner.prune(Retention(days=1, count=1100)) == 100
        assert broker.timeline.traces(limit=2000)[0].event.id == "100"
        now[0] += 86401
        broker.accept(event("new"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert broker.pruner.prune(Retention(days=1, count=2000)) == 1100
        assert [trace.event.id for trace in broker.timeline.traces()] == ["new"]
        assert broker.ledger.verify_chain().entries == 1201


def test_pending_events_and_open_dead_letters_stay(tmp_path: Path) -> None:
    def behave(got: object) -> Answer:
        return Answer(400) if getattr(got, "id", "") == "dead" else DONE

    waiting = Scripted()
    waiting.is_ready = False
    subscribers = {"sub": Scripted(behave), "waiting": waiting}
    triggers = [trigger(), trigger("second", "waiting", "t.wait")]
    with running(tmp_path, subscribers, triggers) as broker:
        for name, type_ in (("done", "t.one"), ("dead", "t.one"), ("pending", "t.wait")):
            broker.accept(event(name, type_, f"s/{name}"), SOURCE).result(DEADLINE)
        until(lambda: broker.health().pending == 1 and broker.dead_letters.count() == 1)
        assert broker.pruner.prune(Retention(days=0, count=0)) == 1
        assert [trace.event.id for trace in broker.timeline.traces()] == ["dead", "pending"]
        broker.dead_letters.drop(1, OPERATOR).result(DEADLINE)
        assert broker.pruner.prune(Retention(days=0, count=0)) == 1
        waiting.is_ready = True
        assert broker.wait_idle(DEADLINE)
    assert waiting.ids == ["pending"]


def test_positions_are_not_given_out_again(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert broker.pruner.prune(Retention(days=0, count=0)) == 1
    with running(tmp_path, {"sub": Scripted()}) as broker:
        assert broker.accept(event(2), SOURCE).result(DEADLINE) == 3
