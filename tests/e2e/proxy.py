"""A proxy before an authority or an API server that fails on request: refuses, answers for it, loses answers."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Carried = tuple[int, Mapping[str, str], bytes]  # status, headers, body
_KEPT = ("x-vault-token", "x-vault-request", "x-vault-namespace", "content-type", "accept", "authorization")


@dataclass(frozen=True)
class Request:
    """What the instance asked."""

    method: str
    path: str


def everything(_: Request) -> bool:
    return True


def below(prefix: str) -> Callable[[Request], bool]:
    """Requests of any method below `/v1/<prefix>`."""
    return lambda request: request.path.startswith(f"/v1/{prefix}")


def writes_below(prefix: str) -> Callable[[Request], bool]:
    """Requests that write below `/v1/<prefix>`."""
    return lambda request: request.method != "GET" and request.path.startswith(f"/v1/{prefix}")


def reads_below(prefix: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "GET" and request.path.startswith(f"/v1/{prefix}")


@dataclass(frozen=True)
class Fault:
    """What happens to the requests that `when` chooses.

    `status` answers in the authority's stead (0: the connection is closed without an answer); with `forward` the
    authority carries the request out first, and only its answer is lost.
    """

    status: int = 0
    when: Callable[[Request], bool] = everything
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"errors":["a fault that a test injected"]}'
    forward: bool = False
    times: int = 1_000_000


class FaultyProxy:
    """Listens on a free port of the loopback. `log` has every request, and whether a fault met it.

    `trust` is how to know an upstream that speaks TLS; to the proxy itself nobody does.
    """

    def __init__(self, upstream: str, trust: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 0)
        self._trust = trust
        self._guard = threading.Lock()
        self._fault: Fault | None = None
        self._left = 0
        self.log: list[tuple[Request, bool]] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, fault: Fault) -> None:
        with self._guard:
            self._fault, self._left = fault, fault.times

    def heal(self) -> None:
        with self._guard:
            self._fault = None

    @contextlib.contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        self.fail(fault)
        try:
            yield
        finally:
            self.heal()

    def met(self) -> int:
        """How many requests a fault met."""
        return sum(failed for _, failed in self.log)

    def asked(self, choose: Callable[[Request], bool] = everything) -> int:
        return sum(choose(request) for request, _ in self.log)

    # --- for the handler ----------------------------------------------------------------------------------------

    def judge(self, request: Request) -> Fault | None:
        with self._guard:
            fault = self._fault
            if fault is None or self._left <= 0 or not fault.when(request):
                self.log.append((request, False))
                return None
            self._left -= 1
            self.log.append((request, True))
            return fault

    def carry_out(self, request: Request, headers: Mapping[str, str], body: bytes) -> Carried:
        if self._trust is None:
            connection = http.client.HTTPConnection(*self._upstream, timeout=15)
        else:
            connection = http.client.HTTPSConnection(*self._upstream, timeout=15, context=self._trust)
        with contextlib.closing(connection):
            connection.request(request.method, request.path, body=body or None, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the game."""


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _KEPT}
            request = Request(self.command, self.path)
            fault = proxy.judge(request)
            if fault is None or fault.forward:
                try:
                    found = proxy.carry_out(request, headers, body)
                except (OSError, http.client.HTTPException):
                    self._hang_up()
                    return
                if fault is None:
                    self._answer(*found)
                    return
            if fault.status == 0:
                self._hang_up()
            else:
                self._answer(fault.status, {"Content-Type": "application/json", **fault.headers}, fault.body)

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            """The proxy's own log is `log`."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "LIST"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler
