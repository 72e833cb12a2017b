"""One step behind the broker's Subscriber: what each outcome becomes, and that a failure says nothing half-way."""

from dataclasses import replace

import pytest

from events.cloudevent import CloudEvent
from events.envelope import MAX_HOPS, Received, read
from events.event import Event
from events.orders import PublishRequested
from functions._failures import Conflict, Reject, Retry, StepFailure, Unavailable
from functions._step import Step
from infra.broker.subscriber import Subscriber
from infra.hosts.answering import MAX_REASON, StepAnswerer
from tests.infra.hosts.steps import CANARY, changed, order, other_order, ports, raising, saying


def answerer(step: Step) -> StepAnswerer:
    return StepAnswerer(step, ports(), "/lockstep/test/steps/tested")


def test_nothing_to_say() -> None:
    subscriber: Subscriber = answerer(saying())
    answer = subscriber.deliver(changed(), 1.0)
    assert (answer.status, answer.events, answer.reason) == (204, (), "")


def test_replies_carry_their_cause() -> None:
    cause = read(changed())
    answer = answerer(saying(order("a"), order("b"))).deliver(changed(), 1.0)
    assert answer.status == 200
    assert [reply.subject for reply in answer.events] == ["paths/secret/team/a", "paths/secret/team/b"]
    for reply in answer.events:
        assert reply.source == "/lockstep/test/steps/tested"
        assert (reply.extensions["causationid"], reply.extensions["correlationid"]) == (cause.id, cause.id)
        assert reply.extensions["lockstephops"] == "1"


def test_the_same_event_gets_the_same_ids_however_often() -> None:
    step = answerer(saying(order("a"), order("a")))
    first, second = (step.deliver(changed(), 1.0).events for _ in range(2))
    assert [one.id for one in first] == [one.id for one in second]
    assert first[0].id != first[1].id, "two orders of one event are two"
    assert step.deliver(changed("s2"), 1.0).events[0].id != first[0].id


@pytest.mark.parametrize(
    ("failure", "status", "after"),
    [
        (Retry("later"), 503, None),
        (Retry("later", 0.2), 503, 0.2),
        (Unavailable("authority", "later", 5.0), 503, 5.0),
        (Conflict("later"), 409, None),
        (Reject("later"), 422, None),
    ],
)
def test_failures_become_statuses(failure: StepFailure, status: int, after: float | None) -> None:
    answer = answerer(raising(failure, order())).deliver(changed(), 1.0)
    assert (answer.status, answer.reason, answer.retry_after, answer.events) == (status, "later", after, ())


@pytest.mark.parametrize("defect", [RuntimeError(CANARY), ValueError(CANARY), KeyError(CANARY), RecursionError(CANARY)])
def test_a_defect_tells_its_type_and_place_only(defect: Exception, caplog: pytest.LogCaptureFixture) -> None:
    answer = answerer(raising(defect)).deliver(changed(), 1.0)
    assert answer.status == 500
    assert answer.reason.startswith(f"defect in step tested: {type(defect).__name__} at tests.infra.hosts.steps:")
    assert CANARY not in answer.reason + caplog.text
    assert "tests.infra.hosts.steps:" in caplog.text


@pytest.mark.parametrize("failure", [Retry("é" * 5000), Reject("é" * 5000), Conflict("é" * 5000)])
def test_reasons_are_short(failure: StepFailure) -> None:
    assert len(answerer(raising(failure)).deliver(changed(), 1.0).reason) == MAX_REASON


def test_what_the_step_does_not_declare_is_a_defect() -> None:
    step = replace(saying(order()), handle=lambda event, ports: iter((order(), other_order())))
    answer = answerer(step).deliver(changed(), 1.0)
    assert (answer.status, answer.events) == (500, ())
    assert "does not declare dev.lockstep.materialize.requested" in answer.reason


def test_an_event_for_another_step() -> None:
    answer = answerer(replace(saying(), consumes=(PublishRequested,))).deliver(changed(), 1.0)
    assert (answer.status, "correct its Trigger" in answer.reason) == (422, True)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "com.example.other"},
        {"subject": "namespaces/team/secrets/another"},
        {"data": b'{"secret": {"namespace": "team", "name": "canary-4711!"}}'},
        {"data": b"canary-4711"},
        {"extensions": {"lockstephops": str(MAX_HOPS + 1)}},
    ],
    ids=["type", "subject", "field", "data", "hops"],
)
def test_an_event_that_is_none_is_rejected_without_its_data(change: dict[str, object]) -> None:
    wire: CloudEvent = replace(changed(), **change)  # type: ignore[arg-type]  # fields of a dataclass, by name
    answer = answerer(saying()).deliver(wire, 1.0)
    assert (answer.status, CANARY in answer.reason) == (422, False)


def test_a_loop_ends() -> None:
    wire = changed()
    looped = replace(wire, extensions={**wire.extensions, "lockstephops": str(MAX_HOPS)})
    answer = answerer(saying(order())).deliver(looped, 1.0)
    assert (answer.status, "loop" in answer.reason) == (422, True)


def test_a_failure_that_may_pass_casts_doubt_on_what_was_presumed() -> None:
    doubts: list[None] = []
    for step in (raising(Retry("later")), raising(Unavailable("authority", "later")), raising(Reject("never"))):
        StepAnswerer(step, ports(), "/x", doubt=lambda: doubts.append(None)).deliver(changed(), 1.0)
    assert len(doubts) == 2


def test_whoever_observes_sees_each_reply_once_and_nothing_of_failures() -> None:
    seen: list[tuple[Event, Received]] = []

    def deliver(step: Step) -> None:
        StepAnswerer(step, ports(), "/x", observe=lambda event, cause: seen.append((event, cause))).deliver(
            changed(), 1
        )

    deliver(raising(Retry("later"), order()))
    assert seen == []
    deliver(saying(order("a"), order("b")))
    assert [event.about.subject for event, _ in seen] == ["paths/secret/team/a", "paths/secret/team/b"]


def test_readiness_is_the_hosts() -> None:
    assert answerer(saying()).ready()
    assert not StepAnswerer(saying(), ports(), "/x", ready=lambda: False).ready()
