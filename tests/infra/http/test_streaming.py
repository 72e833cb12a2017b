"""A body that comes in piece by piece, from a server that does as a test says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from infra.http.answers import HungUpError, ProtocolError
from infra.http.connections import Endpoint
from infra.http.streaming import SilentError, Stream

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

Say = Callable[[socket.socket], None]


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


class Server:
    """Accepts one connection, reads the request's head and does as it is told."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self._thread: threading.Thread | None = None
        self.request = b""
        self.done = threading.Event()  # what keeps the connection open waits for it

    def saying(self, say: Say) -> Endpoint:
        self._thread = threading.Thread(target=self._serve, args=(say,), daemon=True)
        self._thread.start()
        return Endpoint("127.0.0.1", self._listener.getsockname()[1], connect_timeout=5.0, read_timeout=5.0)

    def stop(self) -> None:
        self.done.set()
        if self._thread:
            self._thread.join(30)
        self._listener.close()

    def _serve(self, say: Say) -> None:
        connection, _ = self._listener.accept()
        with connection, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(65536)
            say(connection)

    def open(self, connection: socket.socket) -> None:
        self.done.wait(30)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def sending(*pieces: bytes, then: Say | None = None) -> Say:
    def say(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        if then:
            then(connection)

    return say


def test_lines_are_handed_over_as_they_arrive(server: Server) -> None:
    heard = threading.Event()

    def say(connection: socket.socket) -> None:
        connection.sendall(HEAD + chunk(b"one\ntw"))
        assert heard.wait(30)  # only then does the rest come
        connection.sendall(chunk(b"o\n\nthree") + b"0\r\n\r\n")

    stream = Stream(server.saying(say), "/watch?x=%20", {"Accept": "application/json"}, 5.0)
    lines = stream.lines(100)
    assert next(lines) == b"one"
    heard.set()
    assert list(lines) == [b"two", b""]  # a line without an end is none
    assert (stream.status, stream.headers["content-type"]) == (200, "application/json")
    stream.release()
    assert server.request.startswith(b"GET /watch?x=%20 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAccept: application/json\r\n" in server.request


def test_a_refusal_is_read_to_its_end_or_the_limit(server: Server) -> None:
    endpoint = server.saying(sending(b"HTTP/1.1 410 Gone\r\nContent-Length: 7\r\n\r\nexpired"))
    stream = Stream(endpoint, "/", {}, 5.0)
    assert (stream.status, stream.read(3)) == (410, b"exp")
    stream.release()


def test_what_comes_before_the_answer_itself_is_passed_over(server: Server) -> None:
    stream = Stream(server.saying(sending(b"HTTP/1.1 103 Early Hints\r\n\r\n", HEAD, chunk(b"a\n"))), "/", {}, 5.0)
    assert stream.status == 200
    assert next(stream.lines(10)) == b"a"
    stream.release()


def test_silence_is_noticed(server: Server) -> None:
    stream = Stream(server.saying(sending(HEAD, chunk(b"a\n"), then=server.open)), "/", {}, 0.05)
    lines = stream.lines(10)
    assert next(lines) == b"a"
    with pytest.raises(SilentError):
        next(lines)
    stream.release()


def test_a_connection_that_breaks_off_is_noticed(server: Server) -> None:
    stream = Stream(server.saying(sending(HEAD, chunk(b"a\nb"))), "/", {}, 5.0)
    lines = stream.lines(10)
    assert next(lines) == b"a"
    with pytest.raises(HungUpError):
        next(lines)
    stream.release()


def test_without_a_length_the_end_of_the_connection_ends_the_body(server: Server) -> None:
    stream = Stream(server.saying(sending(b"HTTP/1.1 200 OK\r\n\r\na\nb\n")), "/", {}, 5.0)
    assert list(stream.lines(10)) == [b"a", b"b"]
    stream.release()


def test_closing_from_another_thread_ends_the_reading(server: Server) -> None:
    stream = Stream(server.saying(sending(HEAD, chunk(b"a\n"), then=server.open)), "/", {}, 30.0)
    seen: list[bytes] = []
    first = threading.Event()

    def read() -> None:
        for line in stream.lines(10):
            seen.append(line)
            first.set()
        seen.append(b"ended")

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(30)
    stream.close()
    reader.join(30)
    assert seen == [b"a", b"ended"]
    stream.close()
    stream.release()


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((b"nonsense\r\n\r\n",), ProtocolError),
        ((b"HTTP/1.1 200 OK\r\n",), HungUpError),
        ((), HungUpError),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,), ProtocolError),
    ],
)
def test_an_answer_that_does_not_begin(server: Server, pieces: tuple[bytes, ...], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Stream(server.saying(sending(*pieces)), "/", {}, 5.0)


def test_a_line_without_end_is_refused(server: Server) -> None:
    stream = Stream(server.saying(sending(HEAD, chunk(b"x" * 50), chunk(b"x" * 51), then=server.open)), "/", {}, 5.0)
    with pytest.raises(ProtocolError):
        list(stream.lines(100))
    stream.release()


@pytest.mark.parametrize(
    ("target", "headers"), [("/a b", {}), ("/a\r\nX: y", {}), ("/", {"Authorization": "Bearer a\r\nX: y"})]
)
def test_what_would_be_another_request_is_not_sent(target: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="control character") as refused:
        Stream(Endpoint("127.0.0.1", 1, 1.0, 1.0), target, headers, 1.0)
    assert "Bearer" not in str(refused.value)
