"""Delivery through a real broker: order, retries, superseding, holding, dead letters, replies, restarts."""

import threading
from collections import defaultdict
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from infra.broker.admission import Admission, Rule
from infra.broker.chaos import Chaos
from infra.broker.subscriber import NETWORK_ERROR, Answer
from tests.infra.broker.kit import DEADLINE, DONE, SOURCE, Scripted, event, failing, outcomes, running, trigger, until

PATIENT = {"retry": 100, "backoffPolicy": "linear", "backoffDelay": "PT0.001S"}


def test_delivered_as_it_was_sent_with_what_the_broker_adds(tmp_path: Path) -> None:
    sub = Scripted()
    with running(tmp_path, {"sub": sub}) as broker:
        sent = event(1, custom="x", knativebrokerttl="7", partitionkey="forged", lockstepactor="step:publish")
        sequence = broker.accept(sent, SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["delivered"]
    (got,) = sub.seen
    assert (got.id, got.source, got.type, got.subject, got.data) == ("1", "/test", "t.one", "s/1", sent.data)
    extensions = dict(got.extensions)
    assert extensions.pop("knativearrivaltime").endswith("Z")
    assert len(extensions.pop("traceparent")) == 55
    assert extensions == {"custom": "x", "partitionkey": "s/1", "lockstepactor": "source:test"}


def test_order_per_key_and_concurrency_across_keys(tmp_path: Path) -> None:
    meeting = threading.Barrier(3, timeout=DEADLINE)
    running_now: dict[str, int] = defaultdict(int)
    order: dict[str, list[int]] = defaultdict(list)
    overlaps: list[str] = []

    def behave(got: CloudEvent) -> Answer:
        key = got.subject or ""
        running_now[key] += 1
        if running_now[key] > 1:
            overlaps.append(key)
        if int(got.id) < 3:
            meeting.wait()  # passes only if three keys are handled at the same time
        order[key].append(int(got.id))
        running_now[key] -= 1
        return DONE

    with running(tmp_path, {"sub": Scripted(behave)}) as broker:
        for number in range(60):
            broker.accept(event(number, subject=f"s/{number % 3}"), SOURCE)
        assert broker.wait_idle(DEADLINE)
    assert overlaps == []
    assert all(numbers == sorted(numbers) and len(numbers) == 20 for numbers in order.values())


def test_an_event_without_subject_is_its_own_key(tmp_path: Path) -> None:
    sub = Scripted()
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept(event("x", subject=None), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
    assert sub.seen[0].extensions["partitionkey"] == "x"


@pytest.mark.parametrize("status", [NETWORK_ERROR, 404, 408, 409, 429, 500, 503])
def test_retried_until_it_succeeds(tmp_path: Path, status: int) -> None:
    sub = Scripted(failing(2, Answer(status, reason="not now")))
    with running(tmp_path, {"sub": sub}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["retried", "retried", "delivered"]
    assert sub.ids == ["1"] * 3


def test_attempts_are_retry_plus_one_then_a_dead_letter(tmp_path: Path) -> None:
    sub = Scripted(lambda _: Answer(500, reason="broken\nin two lines"))
    with running(tmp_path, {"sub": sub}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["retried"] * 3 + ["dead-lettered"]
        (letter,) = broker.dead_letters.list()
        assert (letter.code, letter.attempts, letter.reason) == (500, 4, "broken in two lines")
        assert broker.health().dead_letters == 1
        assert broker.health().pending == 0
    assert len(sub.seen) == 4


@pytest.mark.parametrize("status", [301, 400, 401, 403, 410])
def test_what_will_not_clear_is_given_up_at_once(tmp_path: Path, status: int) -> None:
    sub = Scripted(lambda _: Answer(status))
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert [letter.code for letter in broker.dead_letters.list()] == [status]
    assert len(sub.seen) == 1


def test_a_subscriber_that_raises_is_a_failed_attempt_without_its_text(tmp_path: Path) -> None:
    def behave(_: CloudEvent) -> Answer:
        raise KeyError("hunter2")

    with running(tmp_path, {"sub": Scripted(behave)}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        (letter,) = broker.dead_letters.list()
        assert (letter.code, letter.reason) == (500, "KeyError in the subscriber")


def test_a_newer_event_supersedes_an_older_one_that_retries(tmp_path: Path) -> None:
    sub = Scripted(lambda got: Answer(503) if got.id == "old" else DONE)
    with running(tmp_path, {"sub": sub}, [trigger(delivery=PATIENT)], backoff_cap=60.0) as broker:
        old = broker.accept(event("old"), SOURCE).result(DEADLINE)
        until(lambda: "retried" in outcomes(broker, old))
        other = broker.accept(event("other", type_="t.two"), SOURCE).result(DEADLINE)
        new = broker.accept(event("new"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, old)[-1] == "superseded"
        assert outcomes(broker, other) == outcomes(broker, new) == ["delivered"]
        assert broker.dead_letters.count() == 0


def test_where_each_event_counts_none_takes_the_place_of_another(tmp_path: Path) -> None:
    sub = Scripted(failing(2, Answer(503)))
    route = trigger(delivery=PATIENT)
    with running(tmp_path, {"sub": sub}, [route], each=[(route.name, event("old").type)]) as broker:
        old = broker.accept(event("old"), SOURCE).result(DEADLINE)
        new = broker.accept(event("new"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, old)[-1] == outcomes(broker, new)[-1] == "delivered"


def test_only_the_newest_of_many_is_tried_against_a_failing_subscriber(tmp_path: Path) -> None:
    blocked = threading.Event()

    def behave(got: CloudEvent) -> Answer:
        assert blocked.wait(DEADLINE)
        return DONE if got.id == "99" else Answer(503)

    sub = Scripted(behave)
    with running(tmp_path, {"sub": sub}) as broker:
        accepted = [broker.accept(event(number), SOURCE) for number in range(100)]
        accepted[-1].result(DEADLINE)
        blocked.set()
        assert broker.wait_idle(DEADLINE)
    assert sub.ids == ["0", "99"]


def test_a_subscriber_that_is_not_ready_uses_up_no_attempts(tmp_path: Path) -> None:
    sub = Scripted()
    sub.is_ready = False
    with running(tmp_path, {"sub": sub}) as broker:
        numbers = [broker.accept(event(n, subject=f"s/{n}"), SOURCE).result(DEADLINE) for n in range(5)]
        until(lambda: broker.health().held == {"first": 5})
        probes = sub.probes
        until(lambda: sub.probes > probes + 20)  # many times the budget of attempts
        assert sub.seen == []
        sub.is_ready = True
        assert broker.wait_idle(DEADLINE)
        assert all(outcomes(broker, n) == ["held", "delivered"] for n in numbers)
        assert broker.health().held == {}


def test_a_delivery_that_would_exhaust_its_attempts_is_held_instead(tmp_path: Path) -> None:
    """A sealed authority: the step fails, and says that it is not ready only once it noticed."""
    sub = Scripted()

    def sealed(_: CloudEvent) -> Answer:
        sub.is_ready = len(sub.seen) < 3
        return Answer(503, reason="sealed")

    sub.behaviour = sealed
    with running(tmp_path, {"sub": sub}, [trigger(delivery={"retry": 2, "backoffDelay": "PT0.001S"})]) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: "held" in outcomes(broker, sequence))
        sub.behaviour = lambda _: DONE
        sub.is_ready = True
        broker.nudge()
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["retried", "retried", "held", "delivered"]
        assert broker.dead_letters.count() == 0


def test_a_rejection_is_final_even_while_not_ready(tmp_path: Path) -> None:
    sub = Scripted()

    def reject(_: CloudEvent) -> Answer:
        sub.is_ready = False
        return Answer(400)

    sub.behaviour = reject
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert broker.dead_letters.count() == 1


def reply(number: str, type_: str = "t.two") -> Answer:
    return Answer(200, (event(f"r{number}", type_),))


def test_replies_are_accepted_with_their_cause(tmp_path: Path) -> None:
    first, second = Scripted(lambda got: reply(got.id)), Scripted()
    triggers = [trigger("a", "one", "t.one"), trigger("b", "two", "t.two")]
    with running(tmp_path, {"one": first, "two": second}, triggers) as broker:
        broker.accept(event(1, correlationid="c"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        traces = broker.timeline.traces(correlation="c")
        assert [(trace.event.type, trace.event.principal) for trace in traces] == [
            ("t.one", "source:test"),
            ("t.two", "step:one"),
        ]
    (got,) = second.seen
    assert (got.id, got.extensions["causationid"], got.extensions["correlationid"]) == ("r1", "1", "c")
    assert got.extensions["traceparent"] == first.seen[0].extensions["traceparent"]
    assert got.extensions["lockstepactor"] == "step:one"
    assert "knativebrokerttl" not in got.extensions


def test_several_replies_come_with_one_answer(tmp_path: Path) -> None:
    many = Answer(200, tuple(event(f"r{n}", "t.two", f"s/{n}") for n in range(5)))
    second = Scripted()
    triggers = [trigger("a", "one", "t.one"), trigger("b", "two", "t.two")]
    with running(tmp_path, {"one": Scripted(lambda _: many), "two": second}, triggers) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
    assert sorted(second.ids) == [f"r{n}" for n in range(5)]


def test_a_reply_of_an_undeclared_type_is_refused(tmp_path: Path) -> None:
    table = Admission(rules=(Rule("source:*", "*"), Rule("step:sub", "t.two")))
    answer = Answer(200, (event("fine", "t.two"), event("forged", "t.three")))
    with running(tmp_path, {"sub": Scripted(lambda _: answer)}, [trigger(type_="t.one")], table) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        (letter,) = broker.dead_letters.list()
        assert letter.code == 403
        assert "its reply was refused: step:sub may not send t.three" in letter.reason
        assert [trace.event.id for trace in broker.timeline.traces()] == ["1"], "none of its replies was taken"


def test_a_loop_ends_when_the_ttl_is_used_up(tmp_path: Path) -> None:
    sub = Scripted(lambda got: Answer(200, (event(f"{got.id}+", "t.one", f"{got.subject}+"),)))
    with running(tmp_path, {"sub": sub}) as broker:
        broker.accept(event("e", knativebrokerttl="5"), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        (letter,) = broker.dead_letters.list()
        assert "went round in a loop" in letter.reason
    assert len(sub.seen) == 4


def test_the_dead_letter_sink_gets_the_event_and_why(tmp_path: Path) -> None:
    sink = Scripted(failing(1, Answer(503)))
    spec = {"retry": 0, "deadLetterSink": {"ref": {"apiVersion": "v1", "kind": "Service", "name": "sink"}}}
    broken = Scripted(lambda _: Answer(500, reason="x" * 5000))
    with running(tmp_path, {"sub": broken, "sink": sink}, [trigger(delivery=spec)]) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: len(sink.seen) == 2)
        assert broker.wait_idle(DEADLINE)
        assert broker.health().pending == 0
    got = sink.seen[-1]
    assert got.id == "1"
    assert got.extensions["knativeerrordest"] == "service:lockstep/sub"
    assert got.extensions["knativeerrorcode"] == "500"
    assert 0 < len(got.extensions["knativeerrordata"]) <= 768


def test_a_failing_sink_ends_and_the_dead_letter_stays(tmp_path: Path) -> None:
    spec = {"retry": 0, "deadLetterSink": {"ref": {"apiVersion": "v1", "kind": "Service", "name": "sink"}}}
    subscribers = {"sub": Scripted(lambda _: Answer(500)), "sink": Scripted(lambda _: Answer(400))}
    with running(tmp_path, subscribers, [trigger(delivery=spec)]) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert (broker.dead_letters.count(), broker.health().pending) == (1, 0)


def test_one_stuck_subscriber_holds_up_no_other(tmp_path: Path) -> None:
    opened = threading.Event()

    def stuck(_: CloudEvent) -> Answer:
        assert opened.wait(DEADLINE)
        return DONE

    quick = Scripted()
    triggers = [trigger("a", "stuck"), trigger("b", "quick")]
    with running(tmp_path, {"stuck": Scripted(stuck), "quick": quick}, triggers, workers=2) as broker:
        for number in range(50):
            broker.accept(event(number, subject=f"s/{number}"), SOURCE)
        until(lambda: len(quick.seen) == 50)
        assert broker.health().pending == 50
        opened.set()
        assert broker.wait_idle(DEADLINE)


def test_attempts_and_order_survive_a_restart(tmp_path: Path) -> None:
    down = Scripted(lambda _: Answer(503))
    slow = [trigger(delivery={"retry": 3, "backoffDelay": "PT60S"})]
    with running(tmp_path, {"sub": down}, slow, backoff_cap=60.0) as broker:
        numbers = [broker.accept(event(n, subject=f"s/{n % 2}", type_=f"t.{n}"), SOURCE) for n in range(6)]
        until(lambda: all("retried" in outcomes(broker, future.result(DEADLINE)) for future in numbers[:2]))
    up = Scripted()
    with running(tmp_path, {"sub": up}) as broker:
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, numbers[0].result()) == ["retried", "delivered"]
    assert [one for one in up.ids if int(one) % 2 == 0] == ["0", "2", "4"]
    assert [one for one in up.ids if int(one) % 2] == ["1", "3", "5"]
    assert sorted(down.ids) == ["0", "1"], "what is behind a retry waits"


def test_replacing_triggers_keeps_what_is_pending(tmp_path: Path) -> None:
    old, new = Scripted(), Scripted()
    old.is_ready = False
    with running(tmp_path, {"old": old}, [trigger("kept", "old"), trigger("gone", "old")]) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        until(lambda: broker.health().held == {"kept": 1, "gone": 1})
        broker.replace([trigger("kept", "new")], {"new": new})
        until(lambda: outcomes(broker, sequence).count("delivered") == 1)
        assert broker.health().held == {"gone": 1}
        assert broker.health().pending == 1
        broker.replace([trigger("kept", "new"), trigger("gone", "new")], {"new": new})
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence).count("delivered") == 2
    assert (len(old.seen), len(new.seen)) == (0, 2)


def test_chaos_repeats_shuffles_and_loses_no_event(tmp_path: Path) -> None:
    first, second = Scripted(lambda got: Answer(200, (event(f"r{got.id}", "t.two"),))), Scripted()
    triggers = [trigger("a", "one", "t.one"), trigger("b", "two", "t.two")]
    chaos = Chaos(seed=1, repeat=0.5, lose_reply=0.3, delay=0.005)
    with running(tmp_path, {"one": first, "two": second}, triggers, chaos=chaos) as broker:
        for number in range(100):
            broker.accept(event(number), SOURCE)
        assert broker.wait_idle(DEADLINE)
        assert broker.dead_letters.count() == 0
        assert broker.ledger.verify_chain().entries == 200, "repetitions are entered once"
        assert broker.health().pending == 0
    assert set(first.ids) == {str(n) for n in range(100)}
    assert set(second.ids) == {f"r{n}" for n in range(100)}
    assert len(first.seen) > 130, "some came again"
    assert first.ids[:50] != sorted(first.ids[:50], key=int), "and not in order"
