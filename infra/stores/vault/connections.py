"""Kept-alive connections to one server, shared by threads (standard library).

Why not urllib3: against a local OpenBao a request through it took twice the processor time of one through http.client,
and importing it a twentieth of a step's cold start, for redirects, proxies and retries that are not wanted here.
"""

import http.client
import select
import socket
import ssl
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty, LifoQueue

from infra.stores.vault.settings import VaultSettings

Idle = LifoQueue[http.client.HTTPConnection]

# Whatever ends an exchange without an answer; their texts may echo what the other side sent.
BROKEN = (OSError, http.client.HTTPException)
# The other side hung up: a kept-alive connection that it had given up meanwhile, or its end.
DROPPED = (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; `body` is cut one byte beyond the limit."""

    status: int
    retry_after: str | None
    body: bytes = field(repr=False)


class Connections:
    """Up to `kept` idle connections, the newest used first. One exchange owns its connection alone."""

    def __init__(
        self, host: str, port: int | None, settings: VaultSettings, tls: ssl.SSLContext | None, kept: int
    ) -> None:
        self._host = host
        self._port = port
        self._settings = settings
        self._tls = tls
        self._kept = kept
        self._idle: Idle = LifoQueue()
        self._closed = False
        weakref.finalize(self, _close_all, self._idle)  # for whoever forgets to close

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None, limit: int
    ) -> Response:
        """Send one request and read at most `limit` + 1 bytes of its answer. Raises BROKEN; nothing is sent twice."""
        connection = self._take()
        reusable = False
        try:
            connection.request(method, target, payload, dict(headers))
            answer = connection.getresponse()
            body = answer.read(limit + 1)
            if answer.length and len(body) <= limit:
                raise http.client.IncompleteRead(b"", answer.length)
            reusable = answer.isclosed() and not answer.will_close
            return Response(answer.status, answer.getheader("Retry-After"), body)
        finally:
            self._give_back(connection, reusable=reusable)

    def close(self) -> None:
        """Close what is idle, and keep none from now on."""
        self._closed = True
        _close_all(self._idle)

    def _take(self) -> http.client.HTTPConnection:
        while (connection := _newest(self._idle)) is not None:
            if not _readable(connection):
                return connection
            connection.close()  # the server closed it while it was idle
        if self._tls is None:
            return _Plain(self._host, self._port, self._settings)
        return _Tls(self._host, self._port, self._settings, self._tls)

    def _give_back(self, connection: http.client.HTTPConnection, *, reusable: bool) -> None:
        if reusable and not self._closed and self._idle.qsize() < self._kept:
            self._idle.put(connection)
        else:
            connection.close()


class _Plain(http.client.HTTPConnection):
    """Waits to connect for one time, and for answers for another."""

    def __init__(self, host: str, port: int | None, settings: VaultSettings) -> None:
        super().__init__(host, port, timeout=settings.connect_timeout)
        self._patience = settings.read_timeout

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self._patience)


class _Tls(_Plain):
    """The same within TLS; the name that the certificate must show may differ from the address."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int | None, settings: VaultSettings, context: ssl.SSLContext) -> None:
        super().__init__(host, port, settings)
        self._context = context
        self._name = settings.tls_server_name or host

    def connect(self) -> None:
        super().connect()
        try:
            self.sock: socket.socket = self._context.wrap_socket(self.sock, server_hostname=self._name)
        except BaseException:
            self.close()
            raise


def _readable(connection: http.client.HTTPConnection) -> bool:
    """Whether an idle connection has something to say, which can only be its end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _newest(idle: Idle) -> http.client.HTTPConnection | None:
    try:
        return idle.get_nowait()
    except Empty:
        return None


def _close_all(idle: Idle) -> None:
    while (connection := _newest(idle)) is not None:
        connection.close()
