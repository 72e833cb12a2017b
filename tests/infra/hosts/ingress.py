"""A broker's ingress over real HTTP, as far as a sink sees it."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from events.cloudevent import CloudEvent
from events.http_binding import decode


class Ingress(ThreadingHTTPServer):
    """Answers with the statuses it is given, then 202; keeps the events and who sent them, and counts connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.received: list[CloudEvent] = []
        self.connections: set[object] = set()
        self.senders: list[str | None] = []
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}/lockstep/default"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ingress

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.connections.add(self.client_address)
        self.server.senders.append(self.headers["authorization"])
        status, headers = self.server.answers.pop(0) if self.server.answers else (202, {})
        if 200 <= status < 300:
            self.server.received.append(decode(list(self.headers.items()), body))
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Ingress]:
    """Serve until the block is left."""
    server = Ingress(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
