"""Kept connections: what a server closed meanwhile, and what neither answers nor reads."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from infra.http.connections import Connections, Endpoint

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DEADLINE = 10.0  # seconds that no test should need


class Server:
    """Answers each request on each connection; closes all of them when it is told to, without a word before."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.silent = False
        self.answer = ANSWER
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while not self.silent:
                try:
                    received = connection.recv(65536)
                except OSError:
                    return
                if not received:
                    return
                self.requests.append(received.split(b" ", 1)[0])
                if not self.answer:
                    return
                connection.sendall(self.answer)
            threading.Event().wait(1.0)

    def hang_up(self, *, reset: bool = False) -> None:
        """Every connection is closed when this returns."""
        for connection in self.open:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self.open, self._threads = [], []

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def connections(server: Server) -> Iterator[Connections]:
    connections = connected(server)
    yield connections
    connections.close()


def connected(server: Server, read_timeout: float = DEADLINE) -> Connections:
    return Connections(Endpoint("127.0.0.1", server.port, DEADLINE, read_timeout), kept=8)


def fill(connections: Connections, count: int) -> None:
    """Have so many idle connections."""
    pending = [connections.begin("GET", "/", {}, None, 100) for _ in range(count)]
    for one in pending:
        assert one.receive().body == b"ok"


def test_one_that_was_used_just_now_is_used_again(server: Server, connections: Connections) -> None:
    fill(connections, 3)
    for method in ("GET", "POST", "GET"):
        assert connections.exchange(method, "/", {}, None, 100).status == 200
    assert len(server.open) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("reset", [False, True])
def test_none_is_used_that_the_server_closed(
    server: Server, connections: Connections, method: str, reset: bool
) -> None:
    fill(connections, 3)
    server.hang_up(reset=reset)
    assert connections.exchange(method, "/", {}, b"{}", 100).status == 200
    assert server.requests == [b"GET"] * 3 + [method.encode()], "it was sent once, and answered"


def test_where_the_server_hangs_up_instead_of_answering_no_other_is_kept(
    server: Server, connections: Connections
) -> None:
    fill(connections, 3)
    server.answer = b""
    with pytest.raises(ConnectionError):
        connections.exchange("GET", "/", {}, None, 100)
    server.answer = ANSWER
    assert connections.exchange("GET", "/", {}, None, 100).status == 200
    assert len(server.open) == 4, "on a new one"


SURPLUS = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nold"


def test_an_answer_to_what_nobody_asked_is_not_taken_for_the_next(server: Server, connections: Connections) -> None:
    server.answer = ANSWER + SURPLUS  # at once
    for _ in range(2):
        found = connections.exchange("GET", "/", {}, None, 100)
        assert (found.status, found.body) == (200, b"ok")
    assert len(server.open) == 2
    server.answer = ANSWER
    fill(connections, 1)
    server.open[-1].sendall(SURPLUS)  # later
    found = connections.exchange("GET", "/", {}, None, 100)
    assert (found.status, found.body) == (200, b"ok")
    assert len(server.open) == 4


def test_silence_ends_as_a_timeout(server: Server) -> None:
    server.silent = True
    for limit in (0.05, 0.0):  # 0 is no leave to wait for ever
        connections = connected(server, limit)
        with pytest.raises(TimeoutError):
            connections.exchange("GET", "/", {}, None, 100)
        connections.close()


def test_who_does_not_read_is_not_waited_for(server: Server) -> None:
    server.silent = True
    connections = connected(server, 0.05)
    with pytest.raises(TimeoutError):
        connections.begin("POST", "/", {}, b"x" * 32_000_000, 100)
    connections.close()
