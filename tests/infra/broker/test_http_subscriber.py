"""Delivery over HTTP to a real server."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from events.http_binding import encode_batch
from infra.broker.http_subscriber import HttpSubscriber
from infra.broker.intake import stamp
from infra.broker.subscriber import NETWORK_ERROR, Answer
from tests.infra.broker.kit import DEADLINE, SOURCE, event, outcomes, running

EVENT = stamp(event(1), SOURCE, 0).event
Response = tuple[int, dict[str, str], bytes]
REPLY = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "/r", "ce-type": "t.two", "ce-subject": "s/1"}


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away early are part of the tests."""


class Server:
    """Answers POST with what `respond` says, GET with `health`; remembers requests and connections."""

    def __init__(self) -> None:
        self.respond: Callable[[], Response] = lambda: (204, {}, b"")
        self.health = 200
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections: set[object] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.connections.add(self.client_address)
                self._answer(*outer.respond())

            def do_GET(self) -> None:
                self._answer(outer.health, {}, b"")

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
                return

        self.http = _Quiet(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self._thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def subscriber(server: Server) -> Iterator[HttpSubscriber]:
    subscriber = HttpSubscriber(
        f"{server.uri}/in", namespace="lockstep", readiness=f"{server.uri}/ready", headers={"authorization": "Bearer x"}
    )
    yield subscriber
    subscriber.close()


def test_sent_in_binary_mode_over_one_connection(server: Server, subscriber: HttpSubscriber) -> None:
    assert [subscriber.deliver(EVENT, 5.0) for _ in range(3)] == [Answer(204)] * 3
    path, headers, body = server.requests[0]
    assert (path, body) == ("/in", EVENT.data)
    assert (headers["ce-id"], headers["ce-type"], headers["ce-partitionkey"]) == ("1", "t.one", "s/1")
    assert (headers["prefer"], headers["kn-namespace"]) == ("reply", "lockstep")
    assert headers["traceparent"] == headers["ce-traceparent"] == EVENT.extensions["traceparent"]
    assert headers["authorization"] == "Bearer x"
    assert headers["content-type"] == "application/json"
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ((200, {}, b""), 200),
        ((202, {}, b""), 202),
        ((200, {"content-type": "text/plain"}, b"OK"), 502),
        ((200, {"content-type": "application/json"}, b"{}"), 502),
        ((200, {"content-type": "application/cloudevents+json"}, b"{}"), 502),
        ((200, {"content-type": "application/cloudevents-batch+json"}, b"[]"), 502),
        ((200, {"ce-specversion": "1.0"}, b"x"), 502),
        ((200, {}, bytes(2_000_000)), 502),
        ((302, {"location": "/elsewhere"}, b""), 302),
        ((404, {}, b""), 404),
        ((500, {}, bytes(2_000_000)), 500),
    ],
)
def test_answers(server: Server, subscriber: HttpSubscriber, response: Response, status: int) -> None:
    server.respond = lambda: response
    answer = subscriber.deliver(EVENT, 5.0)
    assert (answer.status, answer.events) == (status, ())
    assert len(server.requests) == 1, "no redirect is followed, nothing is repeated behind the broker's back"
    server.respond = lambda: (204, {}, b"")
    assert subscriber.deliver(EVENT, 5.0).status == 204


def test_a_reply(server: Server, subscriber: HttpSubscriber) -> None:
    server.respond = lambda: (200, REPLY | {"content-type": "application/json"}, b'{"y":2}')
    (reply,) = subscriber.deliver(EVENT, 5.0).events
    assert (reply.id, reply.type, reply.data) == ("r", "t.two", b'{"y":2}')
    server.respond = lambda: (200, REPLY, b"")
    assert len(subscriber.deliver(EVENT, 5.0).events) == 1, "an event may come without data"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0), ({}, None),
     ({"retry-after": "soon"}, None), ({"retry-after": "-3"}, None)],
)  # fmt: skip
def test_retry_after(server: Server, headers: dict[str, str], seconds: float | None) -> None:
    server.respond = lambda: (503, headers, b"")
    subscriber = HttpSubscriber(server.uri, namespace="n", clock=lambda: 10.0)
    assert subscriber.deliver(EVENT, 5.0).retry_after == seconds
    subscriber.close()


def test_only_problem_documents_are_quoted(server: Server, subscriber: HttpSubscriber) -> None:
    server.respond = lambda: (500, {"content-type": "text/html"}, b"Traceback: password=hunter2")
    assert subscriber.deliver(EVENT, 5.0).reason == "HTTP 500"
    server.respond = lambda: (422, {"content-type": "application/problem+json"}, b'{"title":"No","detail":"no wiring"}')
    assert subscriber.deliver(EVENT, 5.0).reason == "No: no wiring"
    server.respond = lambda: (422, {"content-type": "application/problem+json"}, b"{")
    assert subscriber.deliver(EVENT, 5.0).reason == "HTTP 422"


def test_network_errors_are_answers(server: Server, subscriber: HttpSubscriber) -> None:
    server.respond = lambda: (0, {}, b"")
    assert subscriber.deliver(EVENT, 5.0).status == NETWORK_ERROR
    hanging = threading.Event()

    def hang() -> Response:
        hanging.wait(DEADLINE)
        return 204, {}, b""

    server.respond = hang
    assert subscriber.deliver(EVENT, 0.05).status == NETWORK_ERROR
    hanging.set()
    nobody = HttpSubscriber("http://127.0.0.1:1/", namespace="n")
    assert nobody.deliver(EVENT, 1.0).status == NETWORK_ERROR
    assert nobody.ready(), "without a readiness endpoint it always counts as ready"
    nobody.close()


def test_readiness_is_asked_only_in_doubt(server: Server, subscriber: HttpSubscriber) -> None:
    server.health = 503
    assert subscriber.ready()
    server.respond = lambda: (503, {}, b"")
    subscriber.deliver(EVENT, 5.0)
    assert not subscriber.ready()
    server.health = 200
    assert subscriber.ready()


def test_with_the_broker(server: Server, subscriber: HttpSubscriber, tmp_path: Path) -> None:
    answers = iter([(200, {}, b"not an event"), (503, {"retry-after": "0"}, b""), (202, {}, b"")])
    server.respond = lambda: next(answers)
    with running(tmp_path, {"sub": subscriber}) as broker:
        sequence = broker.accept(event(1), SOURCE).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        assert outcomes(broker, sequence) == ["retried", "retried", "delivered"]


def test_several_events_in_one_reply(server: Server) -> None:
    headers, body = encode_batch((event(1), event(2)))
    server.respond = lambda: (200, dict(headers), body)
    taking = HttpSubscriber(server.uri, namespace="lockstep", batches=True)
    assert [each.id for each in taking.deliver(EVENT, DEADLINE).events] == [event(1).id, event(2).id]
    assert server.requests[-1][1]["accept"] == "application/cloudevents-batch+json"
    one = HttpSubscriber(server.uri, namespace="lockstep")
    assert one.deliver(EVENT, DEADLINE).status == 502
    assert "accept" not in server.requests[-1][1]
    server.respond = lambda: (200, REPLY, b"")
    assert [each.id for each in taking.deliver(EVENT, DEADLINE).events] == ["r"]
    taking.close()
    one.close()
