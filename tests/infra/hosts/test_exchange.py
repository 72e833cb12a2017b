"""Requests and answers on one connection, byte by byte: order, framing, what ends a connection and what does not."""

import socket

import pytest

from infra.hosts import bounded_http
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.exchange import response
from tests.infra.hosts.served import PATIENCE, Served, served

_GET = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
_LAST = b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """The path and the body, except below /unread, which is answered before anything of the body is asked for."""
    body = scope["path"].encode() + b" "
    while not scope["path"].startswith("/unread"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _said(app: Served, *pieces: bytes) -> bytes:
    """Everything that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", app.port), PATIENCE) as client:
        for piece in pieces:
            client.sendall(piece)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


def _bodies(answer: bytes) -> list[bytes]:
    """The bodies of answers with a content-length."""
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        size = int(head.lower().rpartition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append(rest[:size])
        answer = rest[size:]
    return found


def test_answers_come_in_the_order_of_their_requests() -> None:
    with served(_echo) as app:
        answer = _said(app, b"".join(_GET % number for number in range(40)) + _LAST)
    assert _bodies(answer) == [*(b"/%d " % number for number in range(40)), b"/last "]


def test_a_body_in_chunks_and_pieces() -> None:
    head = b"POST /c HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    with served(_echo) as app:
        assert _bodies(_said(app, head, b"3\r\nabc\r\n", b"2\r", b"\nde\r\n0\r\n\r\n")) == [b"/c abcde"]


def test_a_request_after_one_whose_body_nobody_read() -> None:
    head = b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n"
    with served(_echo) as app:
        assert _bodies(_said(app, head, b"b" * 300_000, _LAST)) == [b"/unread ", b"/last "]


def test_who_asks_before_sending_is_told_to_go_on() -> None:
    head = b"POST /e HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    with served(_echo) as app, socket.create_connection(("127.0.0.1", app.port), PATIENCE) as client:
        client.sendall(head)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert b"/e ab" in client.recv(65536)


def test_a_head_alone() -> None:
    with served(_echo) as app:
        answer = _said(app, b"HEAD /h HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.endswith(b"content-length: 3\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [b"GET /o HTTP/1.0\r\n\r\n", b"GET /o HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nPRI"],
    ids=["HTTP/1.0", "upgrade"],
)
def test_what_is_answered_once_and_no_more(request_: bytes) -> None:
    with served(_echo) as app:
        answer = _said(app, request_)
    assert b"connection: close\r\n" in answer
    assert _bodies(answer) == [b"/o "]


def test_what_follows_the_last_request_is_not_read() -> None:
    with served(_echo) as app:
        assert _bodies(_said(app, _LAST + _GET % 1)) == [b"/last "]


@pytest.mark.parametrize(
    "broken",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_behind_those_that_are(broken: bytes) -> None:
    with served(_echo) as app:
        assert _said(app, broken).startswith(b"HTTP/1.1 400 ")
        behind = _said(app, _GET % 1 + broken)
        assert behind.startswith(b"HTTP/1.1 200 ")
        assert app.ask("GET", "/after").body == b"/after "


def test_an_idle_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "IDLE", 0.05)
    with served(_echo) as app:
        assert _bodies(_said(app, _GET % 1)) == [b"/1 "]


def test_too_many_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "MOST_SERVED", 0)
    with served(_echo) as app:
        answer = _said(app, _GET % 1)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize("header", [(b"x", b"a\r\nset-cookie: b"), (b"x\r\ny", b"a"), (b"x y", b"a"), (b"x", b"\x00")])
def test_no_header_can_become_two(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="header"):
        response(200, [header], b"", kept=True)


def test_an_answer_tells_its_own_length() -> None:
    wrong = [(b"Content-Length", b"99"), (b"x", b"y")]
    assert response(200, wrong, b"ab", kept=True) == b"HTTP/1.1 200 \r\nx: y\r\ncontent-length: 2\r\n\r\nab"
    assert response(204, [], b"", kept=False) == b"HTTP/1.1 204 \r\nconnection: close\r\n\r\n"
