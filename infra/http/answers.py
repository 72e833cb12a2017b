"""Reads one HTTP/1.1 answer off a socket (RFC 9112), through httptools: the parser of the asyncio servers, in C.

Why not http.client: it reads headers with the parser of mails, which was more than half of the processor time of an
exchange with a local server, and a change of a secret waits for four or more of those.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

_CHUNK = 65536
_MOST_HEADERS = 256 * 1024  # bytes before a body begins; more is no server of ours


class ProtocolError(Exception):
    """The other side does not speak HTTP as it should. What it sent is not quoted: it may hold anything."""


class HungUpError(ConnectionError):
    """The other side closed the connection before its answer was complete."""


# Whatever ends an exchange without an answer; their texts may echo what the other side sent.
BROKEN = (OSError, ProtocolError)
# The other side hung up: a kept-alive connection that it had given up meanwhile, or its end.
DROPPED = (ConnectionError,)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; header names are lower-case, and `body` is cut one byte beyond the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def retry_after(self) -> str | None:
        return self.headers.get("retry-after")


class Answer:
    """An answer while it comes in. Its `on_…` methods are called by the parser."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._framed = False  # whether the end of the body is told by other means than the end of the connection
        self._complete = False
        self._kept = False
        self._surplus = False  # whether the server began another answer, to what nobody asked

    def receive(self, connection: socket.socket) -> tuple[Response, bool]:
        """Read until it is complete or larger than `limit` + 1 bytes; with whether the connection may be used again.

        Raises HungUpError, ProtocolError, OSError (TimeoutError included).
        """
        received = 0
        while not self._complete:
            try:
                chunk = connection.recv(_CHUNK)
            except BlockingIOError:  # as the kernel says it
                raise TimeoutError from None
            if not chunk:
                return self._ended()
            received += len(chunk)
            try:
                self._parser.feed_data(chunk)
            except httptools.HttpParserError as error:
                raise ProtocolError(type(error).__name__) from None
            if len(self._body) > self._limit:
                return self._response(), False
            if received > _MOST_HEADERS + self._limit:
                raise ProtocolError("headers without end")
        return self._response(), self._kept and not self._surplus

    def _ended(self) -> tuple[Response, bool]:
        if self._status < 200 or self._framed:
            raise HungUpError
        return self._response(), False  # RFC 9112, 6.3: without a length, the end of the connection ends the body

    def _response(self) -> Response:
        return Response(self._status, self._headers, bytes(self._body[: self._limit + 1]))

    # --- called by the parser ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._surplus = self._complete
        if not self._surplus:
            self._headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._surplus:
            return
        lower = name.decode("latin-1").lower()
        self._framed = self._framed or lower in ("content-length", "transfer-encoding")
        self._headers[lower] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self._surplus:
            self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        if not self._surplus:
            self._body += body

    def on_message_complete(self) -> None:
        if self._status >= 200 and not self._complete:  # those below announce another answer (RFC 9110, 15.2)
            self._complete = True
            self._kept = self._parser.should_keep_alive()  # the parser forgets it with the end of this call
