"""What parliament is handed back, also when something raises. Around the real one: test_one_step_hosts.py."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from events.event import Event
from events.http_binding import MAX_BODY_BYTES, decode, encode_binary
from functions._failures import Retry
from functions._ports import Ports
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.parliament.function import Function
from infra.hosts.sink import NoSink
from infra.hosts.step_endpoint import StepEndpoint
from tests.infra.hosts.steps import CANARY, changed, order, ports, raising, saying, step_of


@dataclass
class Request:
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: Exception | None = None

    def get_data(self) -> bytes:
        if self.failure is not None:
            raise self.failure
        return self.body


@dataclass
class Context:
    request: Request


def function(step: Step, *, ready: bool = True) -> Function:
    answerer = StepAnswerer(step, ports(), "/lockstep/test/steps/tested", ready=lambda: ready)
    return Function(StepEndpoint(answerer, NoSink(), lambda: "sealed; unseal it"))


def sent() -> Request:
    headers, body = encode_binary(changed())
    return Request(headers=dict(headers), body=body)


def test_one_event_is_the_reply() -> None:
    body, status, headers = function(saying(order())).main(Context(sent()))
    assert (status, decode(headers, body).type) == (200, "dev.lockstep.publish.requested")


def test_nothing_to_say() -> None:
    assert function(saying()).main(Context(sent())) == (b"", 204, [])


def test_statuses_are_those_of_every_host() -> None:
    body, status, headers = function(raising(Retry("later", 3))).main(Context(sent()))
    assert (status, dict(headers)["retry-after"], json.loads(body)["detail"]) == (503, "3", "later")
    assert function(saying()).main(Context(Request()))[1] == 400
    assert function(saying()).main(Context(Request(body=b" " * (MAX_BODY_BYTES + 1))))[1] == 413


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_readiness_is_asked_by_get(method: str) -> None:
    assert function(saying()).main(Context(Request(method))) == (b"OK", 200, [])
    assert function(saying(), ready=False).main(Context(Request(method))) == (b"sealed; unseal it", 503, [])


def test_nothing_is_ever_raised(caplog: pytest.LogCaptureFixture) -> None:
    """parliament would print it, and answer with its text."""
    request = sent()
    request.failure = ValueError(CANARY)
    body, status, _ = function(saying()).main(Context(request))
    assert (status, CANARY.encode() in body) == (500, False)
    assert "ValueError at tests.infra.hosts.parliament.test_function" in caplog.text
    assert CANARY not in caplog.text


def test_several_threads_may_call() -> None:
    """waitress has four: one that waits must not hold the others."""
    with ExitStack() as stack:
        inner: list[int] = []

        def handle(event: object, _: Ports) -> Iterator[Event]:
            if not inner:
                inner.append(0)
                inner[0] = served.main(Context(sent()))[1]
            yield from ()

        served = function(step_of(handle))
        stack.callback(inner.clear)
        assert served.main(Context(sent()))[1] == 204
        assert inner == [204]
