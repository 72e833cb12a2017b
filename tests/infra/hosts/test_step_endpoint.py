"""One step as HTTP messages, without a server. Behind one: test_step_app.py, test_one_step_hosts.py."""

import json

import pytest

from events.cloudevent import CloudEvent
from events.http_binding import MAX_BODY_BYTES, decode, decode_batch, encode_binary
from functions._failures import Conflict, Retry
from functions._step import Step
from infra.broker.subscriber import Answer
from infra.hosts.answering import StepAnswerer
from infra.hosts.sink import NoSink
from infra.hosts.step_endpoint import Message, StepEndpoint, problem
from tests.infra.hosts.steps import changed, order, ports, raising, saying


class Full:
    """A sink that takes nothing now."""

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        raise Retry("the sink is full")


def endpoint(step: Step, *, ready: bool = True) -> StepEndpoint:
    answerer = StepAnswerer(step, ports(), "/lockstep/test/steps/tested", ready=lambda: ready)
    return StepEndpoint(answerer, NoSink(), lambda: "sealed; unseal it")


def answered(step: Step) -> Message:
    return endpoint(step).answer(*encode_binary(changed()))


def test_what_a_step_says_decides_the_status() -> None:
    assert answered(saying()) == Message(204)
    assert answered(saying(order())).status == 200
    assert answered(saying(order("a"), order("b"))).status == 503  # there is no sink
    assert answered(raising(Conflict("somebody was first"))).status == 409


def test_a_sink_that_does_not_take_them_is_a_retry() -> None:
    answerer = StepAnswerer(saying(order("a"), order("b")), ports(), "/lockstep/test/steps/tested")
    message = StepEndpoint(answerer, Full()).answer(*encode_binary(changed()))
    assert (message.status, json.loads(message.body)["detail"]) == (503, "the sink is full")


def test_a_broker_that_takes_batches_gets_several_in_its_reply() -> None:
    headers, body = encode_binary(changed())
    told = [*headers, ("Accept", "application/cloudevents-batch+json")]
    message = endpoint(saying(order("a"), order("b"))).answer(told, body)
    assert message.status == 200
    assert [event.subject for event in decode_batch(message.headers, message.body)] == [
        "paths/secret/team/a", "paths/secret/team/b",
    ]  # fmt: skip
    one = endpoint(saying(order("a"))).answer(told, body)
    assert decode(one.headers, one.body).subject == "paths/secret/team/a"
    assert endpoint(saying()).answer(told, body) == Message(204)


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b" " * (MAX_BODY_BYTES + 1), 413)])
def test_what_is_no_event_never_reaches_the_step(body: bytes, status: int) -> None:
    message = endpoint(raising(AssertionError())).answer([("content-type", "application/cloudevents+json")], body)
    assert message.status == status


def test_readiness() -> None:
    assert endpoint(saying()).readiness() == Message(200, body=b"OK")
    assert endpoint(saying(), ready=False).readiness() == Message(503, body=b"sealed; unseal it")


def test_a_problem_says_when_to_come_back() -> None:
    message = problem(Answer(503, reason="later", retry_after=2.6))
    assert dict(message.headers) == {"content-type": "application/problem+json", "retry-after": "3"}
    assert json.loads(message.body) == {"status": 503, "detail": "later"}
