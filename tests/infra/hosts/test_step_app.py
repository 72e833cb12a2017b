"""One step over HTTP: replies, the sink, failures as short problems, health and metrics."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from events.cloudevent import MAX_EVENT_BYTES, CloudEvent
from events.event import Event
from events.http_binding import MAX_BODY_BYTES, decode, encode_binary, encode_structured
from functions._failures import Reject, Retry
from functions._ports import Ports
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.metrics import Histogram
from infra.hosts.sink import NoSink
from infra.hosts.step_app import StepApp
from infra.hosts.step_endpoint import Sink, StepEndpoint
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.served import PATIENCE, Served, served
from tests.infra.hosts.steps import CANARY, changed, order, ports, raising, saying, step_of
from tests.unix_http import Response


class Collecting:
    """A sink that keeps what it gets, or does not take it."""

    def __init__(self, failure: Retry | None = None) -> None:
        self.sent: list[CloudEvent] = []
        self._failure = failure

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        if self._failure is not None:
            raise self._failure
        self.sent += events


@contextmanager
def serving(step: Step, sink: Sink | None = None, *, ready: bool = True) -> Iterator[Served]:
    answerer = StepAnswerer(step, ports(), "/lockstep/test/steps/tested", ready=lambda: ready)
    histogram = Histogram()
    histogram.observe(0.02)
    endpoint = StepEndpoint(answerer, sink or NoSink(), lambda: "sealed; unseal it")
    with served(StepApp(endpoint, histogram)) as app:
        yield app


def post(app: Served, event: CloudEvent | None = None) -> Response:
    headers, body = encode_binary(event or changed())
    return app.ask("POST", "/", body, dict(headers))


def test_nothing_to_say_is_an_empty_2xx() -> None:
    with serving(saying()) as app:
        answer = post(app)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("encode", [encode_binary, encode_structured])
def test_one_event_is_the_reply(encode: Callable[[CloudEvent], tuple[list[tuple[str, str]], bytes]]) -> None:
    headers, body = encode(changed())
    with serving(saying(order())) as app:
        answer = app.ask("POST", "/", body, dict(headers))
    assert answer.status == 200
    reply = decode(list(answer.headers.items()), answer.body)
    assert (reply.type, reply.subject) == ("dev.lockstep.publish.requested", "paths/secret/team/app")


def test_several_go_to_the_sink_and_then_an_empty_2xx() -> None:
    sink = Collecting()
    with serving(saying(order("a"), order("b")), sink) as app:
        answer = post(app)
    assert (answer.status, answer.body) == (204, b"")
    assert [event.subject for event in sink.sent] == ["paths/secret/team/a", "paths/secret/team/b"]


def test_a_sink_that_does_not_take_them_makes_a_retry() -> None:
    with serving(saying(order("a"), order("b")), Collecting(Retry("the sink is full", 7.4))) as app:
        answer = post(app)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    with serving(saying(order("a"), order("b"))) as app:
        answer = post(app)
    assert (answer.status, b"set K_SINK" in answer.body) == (503, True)


@pytest.mark.parametrize(("after", "header"), [(None, None), (0.0, "1"), (0.2, "1"), (2.6, "3"), (30.0, "30")])
def test_retry_after_is_whole_seconds(after: float | None, header: str | None) -> None:
    with serving(raising(Retry("later", after), order())) as app:
        answer = post(app)
    assert (answer.status, answer.headers.get("retry-after")) == (503, header)


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "漢" * 5000, '"\\' * 2500, "🔑" * 5000])
def test_error_bodies_fit_a_dead_letter(text: str) -> None:
    """Knative's MT broker fails on more than 768 bytes."""
    with serving(raising(Reject(text))) as app:
        answer = post(app)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.body) <= 768
    problem = json.loads(answer.body)
    assert problem["status"] == 422
    assert len(problem["detail"]) > 100
    assert text.startswith(problem["detail"])


def test_a_defect_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with serving(raising(RuntimeError(CANARY))) as app:
        answer = post(app)
    assert (answer.status, CANARY.encode() in answer.body, CANARY in caplog.text) == (500, False, False)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"content-type": "application/json"}, b'{"password": "canary-4711"}'),
        ({"ce-specversion": "1.0"}, b"canary-4711"),
        ({"content-type": "application/cloudevents+json"}, b"canary-4711"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
    ],
    ids=["nothing", "json", "headers", "structured", "batch"],
)
def test_what_is_no_event_is_400(headers: dict[str, str], body: bytes) -> None:
    with serving(saying()) as app:
        answer = app.ask("POST", "/", body, headers)
    assert (answer.status, CANARY.encode() in answer.body, len(answer.body) <= 768) == (400, False, True)


def test_what_is_too_large_is_refused_and_never_cut() -> None:
    """A body of which only the beginning was read could be a valid event that nobody sent."""
    headers, body = encode_binary(changed())
    with serving(saying()) as app:
        assert app.ask("POST", "/", body + b" " * MAX_EVENT_BYTES, dict(headers)).status == 400
        with closing(app.connect()) as connection:
            chunks = iter([body, b" " * (MAX_BODY_BYTES + 1)])
            connection.request("POST", "/", body=chunks, headers=dict(headers), encode_chunked=True)
            assert connection.getresponse().status == 413
        assert post(app).status == 204


def test_a_large_event_in_many_pieces_is_one_event() -> None:
    data = json.dumps({"secret": {"namespace": "team", "name": "source"}, "seen": "s1"}) + " " * 200_000
    headers, _ = encode_binary(changed())
    with serving(saying()) as app, closing(app.connect()) as connection:
        connection.putrequest("POST", "/")
        for name, value in [*headers, ("content-length", str(len(data)))]:
            connection.putheader(name, value)
        connection.endheaders()
        for first in range(0, len(data), 10_000):
            connection.send(data[first : first + 10_000].encode())
        assert connection.getresponse().status == 204


def test_half_a_request_is_none() -> None:
    handled: list[object] = []

    def handle(event: object, _: Ports) -> Iterator[Event]:
        handled.append(event)
        yield from ()

    headers, body = encode_binary(changed())
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    with serving(step_of(handle)) as app:
        with socket.create_connection(("127.0.0.1", app.port), timeout=PATIENCE) as half:
            half.sendall(f"POST / HTTP/1.1\r\nhost: x\r\n{head}content-length: 9999\r\n\r\n".encode() + body)
        assert post(app).status == 204
    assert len(handled) == 1


def test_health() -> None:
    with serving(saying()) as app:
        assert app.ask("GET", "/health/liveness").body == b"OK"
        assert app.ask("GET", "/health/readiness").status == 200
    with serving(saying(), ready=False) as app:
        assert app.ask("GET", "/health/liveness").status == 200
        answer = app.ask("GET", "/health/readiness")
        assert (answer.status, answer.body) == (503, b"sealed; unseal it")


def test_metrics() -> None:
    with serving(saying()) as app:
        answer = app.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = parsed(answer.body.decode())
    assert families["lockstep_propagation_seconds"].kind == "histogram"


def test_other_methods() -> None:
    with serving(saying()) as app:
        answer = app.ask("OPTIONS", "/")
        assert (answer.status, answer.headers["allow"]) == (200, "POST, OPTIONS")
        assert answer.headers["webhook-allowed-origin"] == "*"
        for method in ("GET", "PUT", "DELETE"):
            answer = app.ask(method, "/")
            assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
            assert re.search(rb"POST", answer.body)
