"""Requests that are too large, too slow, or too many cost a connection, and nothing more."""

import socket
from collections.abc import Callable

import pytest

from infra.hosts import bounded_http
from infra.hosts.asgi import Receive, Scope, Send
from tests.infra.hosts.served import PATIENCE, served


async def _named_headers(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    body = b" ".join(sorted(name for name, _ in scope["headers"]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def _until_closed(port: int, first: bytes, more: Callable[[int], bytes], limit: int) -> tuple[bytes, int]:
    """What came back until the other side closed, and how many pieces it took; `limit` pieces at most."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        sent = 0
        try:
            client.sendall(first)
            while sent < limit:
                client.sendall(more(sent))
                sent += 1
        except OSError:
            pass
        return _rest(client), sent


def _rest(client: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := client.recv(65536):
            answer += piece
    except ConnectionError:
        pass
    return answer


@pytest.mark.parametrize(
    "more",
    [lambda n: b"x-%d: %s\r\n" % (n, b"a" * 1000), lambda n: b"b" * 1000 if n else b"x-one: "],
    ids=["many headers", "one without end"],
)
def test_a_head_without_end(more: Callable[[int], bytes]) -> None:
    with served(_named_headers) as app:
        _, sent = _until_closed(app.port, b"GET / HTTP/1.1\r\nhost: x\r\n", more, 100_000)
        assert sent < 100_000, "the connection was closed long before 100 MB"
        assert app.ask("GET", "/").status == 200


def test_trailers_are_no_headers() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"
    with served(_named_headers) as app:
        answer, _ = _until_closed(app.port, head, lambda _: b"0\r\nauthorization: Bearer x\r\n\r\n", 1)
    assert answer.endswith(b"connection host transfer-encoding")


def test_trailers_without_end() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"
    with served(_named_headers) as app:
        _, sent = _until_closed(app.port, head, lambda n: b"x-%d: %s\r\n" % (n, b"a" * 1000), 100_000)
        assert sent < 100_000


@pytest.mark.parametrize("first", [b"", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nab"])
def test_a_request_that_never_arrives(first: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "ARRIVAL", 0.05)
    with served(_named_headers) as app, socket.create_connection(("127.0.0.1", app.port), PATIENCE) as client:
        client.sendall(first)
        assert _rest(client) == b""


def test_a_connection_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "MOST_CONNECTIONS", 1)
    with served(_named_headers) as app:
        kept = app.connect()
        assert app.ask("GET", "/", connection=kept).status == 200
        with socket.create_connection(("127.0.0.1", app.port), PATIENCE) as second:
            assert _rest(second) == b""
        assert app.ask("GET", "/", connection=kept).status == 200, "who is there already is served"
        kept.close()


def test_pipelined_requests_are_each_measured() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\nx-fill: %s\r\n\r\n" % (b"a" * 8000)
    with served(_named_headers) as app:
        answer, _ = _until_closed(
            app.port, request * 20, lambda _: request.replace(b"host", b"connection: close\r\nhost"), 1
        )
    assert answer.count(b"HTTP/1.1 200") == 21
