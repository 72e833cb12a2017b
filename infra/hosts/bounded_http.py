"""HTTP/1.1 whose requests have a size and a time: the parser beneath it would hold any head, and wait for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from events.http_binding import MAX_BODY_BYTES

LARGEST_HEAD = 64 * 1024  # bytes of request line and headers, give or take what one read brings
LARGEST_REQUEST = 4 * MAX_BODY_BYTES  # bytes with body, chunk sizes and trailers; the application's limit is lower
ARRIVAL = 30.0  # seconds for a request to arrive whole, and for a new connection to bring one
MOST_CONNECTIONS = 640  # beyond the 512 that are served and those that are told to come later


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes connections whose requests are too large or too slow, and those that are too many."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._begun = False  # whether a request began, or ended, in the bytes at hand
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._begun = False
        super().data_received(data)
        self._received += 0 if self._begun else len(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._received > LARGEST_HEAD:
            self.send_400_response("The request's headers are too large.")
        elif self._received > LARGEST_REQUEST:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._begun = True
        self._received = 0
        if self._deadline is None:
            self._await_request()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers say nothing that is asked for, and come after the sender was looked at
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = self._begun = True  # what came of its body in these bytes is no head of the next one
        self._received = 0
        self._arrived()
        super().on_message_complete()

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(ARRIVAL, self._late)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if self.flow.read_paused:  # we are the slow one
            self._await_request()
        else:
            self.transport.abort()
