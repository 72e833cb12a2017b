"""ASGI applications behind real sockets, in a thread of the test's own."""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.hosts.asgi import Application, Receive, Scope, Send
from infra.hosts.serving import Servers, Tls, tcp_socket, unix_socket
from tests.unix_http import Response, UnixConnection, exchange

PATIENCE = 20.0


@dataclass
class Served:
    """Where it listens, and how to end it."""

    servers: Servers
    thread: threading.Thread
    port: int = 0
    path: Path | None = None
    failure: BaseException | None = None

    def stop(self) -> None:
        self.servers.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def connect(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        if tls is not None:
            return http.client.HTTPSConnection(host, self.port, timeout=PATIENCE, context=tls)
        return http.client.HTTPConnection(host, self.port, timeout=PATIENCE)

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> Response:  # fmt: skip
        used = connection or self.connect()
        try:
            return exchange(used, method, target, body, headers or {})
        finally:
            if connection is None:
                used.close()

    def ask_over_unix(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        assert self.path is not None
        with closing(UnixConnection(self.path, PATIENCE)) as connection:
            return self.ask(method, target, body, headers, connection)


@contextmanager
def served(
    app: Application, *, listen: str = "127.0.0.1:0", tls: Tls | None = None, unix: Path | None = None, drain: int = 5
) -> Iterator[Served]:
    """Serve until the block is left."""
    servers = Servers(app, drain)
    bound = tcp_socket(listen, tls)
    servers.add_tcp(bound, tls)
    if unix is not None:
        servers.add_unix(unix_socket(unix))
    ready = threading.Event()

    def run() -> None:
        try:
            servers.run(ready.set)
        except BaseException as failure:  # noqa: BLE001  handed to the test
            found.failure = failure
            ready.set()

    found = Served(servers, threading.Thread(target=run, daemon=True), bound.getsockname()[1], unix)
    found.thread.start()
    try:
        assert ready.wait(PATIENCE)
        if found.failure is not None:
            raise found.failure
        yield found
    finally:
        found.stop()
        servers.close()


async def respond(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def telling(what: Callable[[Scope], str]) -> Application:
    """An application that answers with something of its scope."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, what(scope).encode())

    return app
