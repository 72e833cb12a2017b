"""Several events to K_SINK over real HTTP: all in order, or a retry of the whole."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from events.cloudevent import CloudEvent
from events.http_binding import decode
from functions._failures import Retry
from infra.hosts.sink import HttpSink, NoSink
from tests.infra.hosts.steps import changed

EVENTS = tuple(changed(str(number)) for number in range(3))


class Ingress(ThreadingHTTPServer):
    """Answers with the statuses it is given, then 202; keeps the events and counts connections."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.received: list[CloudEvent] = []
        self.connections: set[object] = set()
        self.address = f"http://127.0.0.1:{self.server_address[1]}/lockstep/default"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ingress

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.connections.add(self.client_address)
        status, headers = self.server.answers.pop(0) if self.server.answers else (202, {})
        if 200 <= status < 300:
            self.server.received.append(decode(list(self.headers.items()), body))
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def ingress() -> Iterator[Ingress]:
    server = Ingress()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_in_order_over_one_connection(ingress: Ingress) -> None:
    HttpSink(ingress.address).send(EVENTS)
    assert [event.id for event in ingress.received] == [event.id for event in EVENTS]
    assert ingress.received[0].data == EVENTS[0].data
    assert len(ingress.connections) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 429, 500, 503])
def test_one_that_is_not_taken_ends_it(ingress: Ingress, status: int) -> None:
    ingress.answers = [(202, {}), (status, {"location": "http://192.0.2.1/"})]
    with pytest.raises(Retry, match=f"answered {status} to dev.lockstep.secret.changed") as failure:
        HttpSink(ingress.address).send(EVENTS)
    assert failure.value.after is None
    assert len(ingress.received) == 1


@pytest.mark.parametrize(("wait", "after"), [("7", 7.0), ("soon", None), ("-1", None)])
def test_the_sink_says_when_to_come_again(ingress: Ingress, wait: str, after: float | None) -> None:
    ingress.answers = [(503, {"retry-after": wait})]
    with pytest.raises(Retry) as failure:
        HttpSink(ingress.address).send(EVENTS)
    assert failure.value.after == after


def test_nobody_there(ingress: Ingress) -> None:
    ingress.shutdown()
    ingress.socket.close()
    with pytest.raises(Retry, match="not reachable"):
        HttpSink(ingress.address, timeout=2.0).send(EVENTS)


def test_credentials_in_the_address_are_not_shown() -> None:
    with pytest.raises(Retry) as failure:
        HttpSink("http://user:canary-4711@127.0.0.1:9/x?token=canary-4711", timeout=2.0).send(EVENTS)
    assert "http://127.0.0.1:9/x" in failure.value.reason
    assert "canary" not in failure.value.reason


def test_without_a_sink() -> None:
    with pytest.raises(Retry, match="3 events to send and no sink; set K_SINK"):
        NoSink().send(EVENTS)
