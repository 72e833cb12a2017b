"""Kept-alive connections to one server, shared by threads.

Why not urllib3: against a local OpenBao a request through it took twice the processor time of one through http.client
and four times that of this, and importing it a twentieth of a step's cold start, for redirects, proxies and retries
that are not wanted here.
"""

import re
import select
import socket
import struct
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.http.answers import Answer, Response

if TYPE_CHECKING:
    from ssl import SSLContext  # imported by whoever makes one

_UNFIT_TARGET = re.compile(r"[^\x21-\x7e]")
_UNFIT_HEADER = re.compile(r"[^\x20-\x7e\x80-\xff\t]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server. Times are seconds: to connect, and for each wait for more of an answer.

    `name` is what its certificate must show where that is not `host`; `tls` None means plain HTTP.
    """

    host: str
    port: int
    connect_timeout: float
    read_timeout: float
    tls: "SSLContext | None" = None
    name: str | None = None

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def connect(self) -> socket.socket:
        """A new connection. Raises OSError (ssl.SSLError included)."""
        connection = socket.create_connection((self.host, self.port), self.connect_timeout)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is None:
                _let_the_kernel_wait(connection, self.read_timeout)
                return connection
            connection.settimeout(self.read_timeout)
            return self.tls.wrap_socket(connection, server_hostname=self.name or self.host)
        except BaseException:
            connection.close()
            raise


class Pending:
    """A request that is sent, and its answer on the way. `receive` must be called once, or `abandon`."""

    def __init__(self, connections: "Connections", connection: socket.socket, limit: int) -> None:
        self._connections = connections
        self._connection = connection
        self._limit = limit

    def receive(self) -> Response:
        """Wait for the answer. Raises BROKEN; nothing is sent twice."""
        reusable = False
        try:
            response, reusable = Answer(self._limit).receive(self._connection)
        except ConnectionError:
            self._connections.drop_idle()  # a server that hung up here did so elsewhere, too
            raise
        finally:
            self._connections.give_back(self._connection, reusable=reusable)
        return response

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._connections.give_back(self._connection, reusable=False)


class Connections:
    """Up to `kept` idle connections, the newest used first. One exchange owns its connection alone."""

    def __init__(self, endpoint: Endpoint, kept: int) -> None:
        self._endpoint = endpoint
        self._kept = kept
        self._idle: deque[socket.socket] = deque()
        self._closed = False
        self._host = f"Host: {endpoint.authority}\r\n"
        weakref.finalize(self, _close_all, self._idle)  # for whoever forgets to close

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None, limit: int
    ) -> Response:
        """Send one request and read at most `limit` + 1 bytes of its answer. Raises BROKEN; nothing is sent twice."""
        return self.begin(method, target, headers, payload, limit).receive()

    def begin(self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None, limit: int) -> Pending:
        """Send one request; several may be on their way at once, on a connection each. Raises BROKEN, ValueError."""
        message = self._message(method, target, headers, payload)
        connection = self._take()
        try:
            connection.sendall(message)
        except BaseException as error:
            connection.close()
            if isinstance(error, ConnectionError):
                self.drop_idle()
            if isinstance(error, BlockingIOError):
                raise TimeoutError from None
            raise
        return Pending(self, connection, limit)

    def close(self) -> None:
        """Close what is idle, and keep none from now on."""
        self._closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        _close_all(self._idle)

    def give_back(self, connection: socket.socket, *, reusable: bool) -> None:
        """What a Pending does with its connection when it is through."""
        if reusable and not self._closed and len(self._idle) < self._kept:
            self._idle.append(connection)
        else:
            connection.close()

    def _message(self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None) -> bytes:
        if _UNFIT_TARGET.search(target):
            raise ValueError("a request's target holds a character that must be quoted")
        lines = [f"{method} {target} HTTP/1.1\r\n", self._host]
        for name, value in headers.items():
            if _UNFIT_HEADER.search(value):
                raise ValueError(f"the value of header {name} holds a control character")  # and may be a credential
            lines.append(f"{name}: {value}\r\n")
        if payload is None:
            return "".join([*lines, "\r\n"]).encode("latin-1")
        return "".join([*lines, f"Content-Length: {len(payload)}\r\n\r\n"]).encode("latin-1") + payload

    def _take(self) -> socket.socket:
        while (connection := _newest(self._idle)) is not None:
            if not _readable(connection):
                return connection
            connection.close()  # the server closed it while it was idle, or said what nobody asked for
        return self._endpoint.connect()


def _let_the_kernel_wait(connection: socket.socket, seconds: float) -> None:
    """Bound each wait by the socket's own limits: Python's are one more system call for each, and every one lets go of
    the interpreter, which another thread may then keep for longer than the answer takes. BlockingIOError tells of it.
    """
    whole = int(seconds := max(seconds, 0.001))  # 0 would be for ever
    limit = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to say: its end, or what would be taken for the next answer."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _newest(idle: deque[socket.socket]) -> socket.socket | None:
    try:
        return idle.pop()
    except IndexError:
        return None


def _close_all(idle: deque[socket.socket]) -> None:
    while (connection := _newest(idle)) is not None:
        connection.close()
