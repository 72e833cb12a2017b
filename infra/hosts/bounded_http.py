"""HTTP/1.1 for ASGI (RFC 9112), over httptools: requests have a size and a time, and connections a number.

Why not a ready server: the lightest takes a tenth of a step's cold start for command line, supervisors, WebSockets
and reloading, and its requests have neither size nor time.
"""

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httptools

from events.http_binding import MAX_BODY_BYTES
from infra.hosts.asgi import Application, Receive, Scope, Send
from infra.hosts.exchange import Exchange, response

LARGEST_HEAD = 64 * 1024  # bytes of request line and headers, give or take what one read brings
LARGEST_REQUEST = 32 * MAX_BODY_BYTES  # bytes with body, chunk sizes and trailers; the applications' limits are lower
ARRIVAL = 30.0  # seconds for a request to arrive whole, and for a new connection to bring one
IDLE = 75.0  # seconds that a connection is kept without a request
MOST_SERVED = 512  # connections, and requests under way; others are told to come later
MOST_CONNECTIONS = 640  # beyond those that are served and those that are told to come later

_TEXT = (b"content-type", b"text/plain; charset=utf-8")


@dataclass(eq=False, slots=True)
class Listener:
    """What the connections of one socket share."""

    app: Application
    connections: set["BoundedHttpProtocol"] = field(default_factory=set)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    closing: bool = False

    def shut_down(self) -> None:
        """Idle connections end now, others with the answer that is under way."""
        self.closing = True
        for connection in tuple(self.connections):
            connection.shut_down()

    def abort(self) -> None:
        """Whatever is left ends now."""
        for task in tuple(self.running):
            task.cancel()
        for connection in tuple(self.connections):
            connection.transport.abort()


class BoundedHttpProtocol(asyncio.Protocol):
    """One connection. Closed where its requests are too large or too slow, or where there are too many like it."""

    transport: asyncio.Transport

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._scheme = "http"
        self.client: tuple[str, int] | None = None
        self._certificate = ""
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False  # whether the timer waits for another request, rather than for the rest of one
        self._ended = False  # nothing more is read
        self._clogged = False  # the other side does not read its answers
        # The request that arrives.
        self._in_head = True
        self._begun = False  # whether a request began, or ended, in the bytes at hand
        self._received = 0
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._newest: Exchange | None = None
        # The request that is answered, and those that wait for that.
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()

    # --- called by asyncio ------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._listener.connections.add(self)
        if self._listener.closing or len(self._listener.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        name = transport.get_extra_info("peername")
        self.client = (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._certificate = _certificate(transport)
        self._set_timer(ARRIVAL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.connections.discard(self)
        self._unset_timer()
        self._ended = True
        self._waiting.clear()
        if self._current is not None:
            self._current.lose()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._begun = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ended = True  # no other protocol is spoken here: the request is answered as it stands
        except httptools.HttpParserError:
            self._refuse(b"Invalid HTTP request received.")
        self._received += 0 if self._begun else len(data)
        if self._ended or self.transport.is_closing():
            return
        if self._in_head and self._received > LARGEST_HEAD:
            self._refuse(b"The request's headers are too large.")
        elif self._received > LARGEST_REQUEST:
            self.transport.abort()

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._answer_next()

    # --- called by the parser ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_head = self._begun = True
        self._received = 0
        self._target, self._headers, self._newest = b"", [], None
        if self._timer is None or self._idle:
            self._set_timer(ARRIVAL)

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers say nothing that is asked for, and come after the sender was looked at
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        scope = self._scope()
        persistent = scope["http_version"] == "1.1"
        self._newest = Exchange(
            scope,
            self.transport,
            kept=persistent and self._parser.should_keep_alive() and not self._parser.should_upgrade(),
            awaits_continue=persistent and (b"expect", b"100-continue") in self._headers,
        )
        self._waiting.append(self._newest)
        if self._current is None:
            self._answer_next()
        else:
            self.transport.pause_reading()  # who sends ahead waits

    def on_body(self, body: bytes) -> None:
        if self._newest is not None:
            self._newest.take(body)

    def on_message_complete(self) -> None:
        self._in_head = self._begun = True  # what came of its body in these bytes is no head of the next one
        self._received = 0
        self._unset_timer()
        if self._newest is not None:
            self._newest.arrive()
            self._ended = self._ended or not self._newest.kept
        if self._current is None:
            self._set_timer(IDLE, idle=True)  # it was answered before it had arrived

    def _scope(self) -> Scope:
        """Raises HttpParserError for a target that is no URL, ValueError for one beyond ASCII."""
        target = httptools.parse_url(self._target)
        return {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": self._parser.get_http_version(), "method": self._parser.get_method().decode("ascii"),
            "scheme": self._scheme, "path": unquote(target.path.decode("ascii")), "raw_path": target.path,
            "root_path": "", "query_string": target.query or b"", "headers": self._headers, "client": self.client,
            "extensions": {"lockstep.certificate": self._certificate},
        }  # fmt: skip

    # --- answering --------------------------------------------------------------------------------------------------

    def _answer_next(self) -> None:
        """Begin with the next request that waits, if none is under way and its answer would be read."""
        if self._current is not None or self._clogged or not self._waiting or self.transport.is_closing():
            return
        self._current = self._waiting.popleft()
        busy = len(self._listener.connections) > MOST_SERVED or len(self._listener.running) >= MOST_SERVED
        task = self._loop.create_task(self._answer(self._current, _unavailable if busy else self._listener.app))
        self._listener.running.add(task)
        task.add_done_callback(self._listener.running.discard)

    async def _answer(self, exchange: Exchange, app: Application) -> None:
        try:
            await exchange.run(app)
        finally:
            self._current = None
            if exchange.answered and exchange.kept:
                self._go_on(exchange)
            else:
                self._ended = True
                self.transport.close()

    def _go_on(self, exchange: Exchange) -> None:
        """After an answer: another request, which may be here already."""
        self.transport.resume_reading()
        self._answer_next()
        if self._current is None and exchange.arrived and self._timer is None:
            self._set_timer(IDLE, idle=True)

    def _refuse(self, reason: bytes) -> None:
        """Read no more of what cannot be understood. What came whole before it is answered first."""
        self._ended = True
        broken = self._newest if self._newest is not None and not self._newest.arrived else None
        if broken is not None and broken in self._waiting:
            self._waiting.remove(broken)
        if broken is not None and broken is self._current:
            broken.lose()
        elif self._current is not None:
            last = self._waiting[-1] if self._waiting else self._current
            last.kept = False
            return
        self.transport.write(response(400, [_TEXT], reason, kept=False))
        self.transport.close()

    def shut_down(self) -> None:
        """End now, or with the answer that is under way."""
        if self._current is not None:
            self._current.kept = False
        else:
            self._ended = True
            self.transport.close()

    # --- time -------------------------------------------------------------------------------------------------------

    def _set_timer(self, seconds: float, *, idle: bool = False) -> None:
        self._unset_timer()
        self._idle = idle
        self._timer = self._loop.call_later(seconds, self._late)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self._idle:
            self.transport.close()
        elif self.transport.is_reading():
            self.transport.abort()
        else:  # we are the slow one
            self._set_timer(ARRIVAL)


def _certificate(transport: Any) -> str:
    """The SHA-256 of the certificate that the client showed and the library verified, hexadecimal; "" for none."""
    connection = transport.get_extra_info("ssl_object")
    shown = connection.getpeercert(binary_form=True) if connection is not None else None
    return hashlib.sha256(shown).hexdigest() if shown else ""


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": [_TEXT, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"Too many connections or requests; come later."})
