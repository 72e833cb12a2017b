"""One answer whose body comes in over minutes, handed over as it arrives; on a connection of its own."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator, Mapping

import httptools

from infra.http.answers import HungUpError, ProtocolError
from infra.http.connections import Endpoint

_CHUNK = 65536
_MOST_HEADERS = 256 * 1024  # bytes before a body begins
_UNFIT = re.compile(r"[^\x20-\x7e\x80-\xff]")


class SilentError(TimeoutError):
    """Nothing came for as long as the caller would wait: the connection may be dead without anybody having said so."""


class Stream:
    """A GET whose answer has begun. Read by one thread; `close` may come from any, and ends the reading.

    `status` and `headers` (lower-case names) are known from the start.
    """

    def __init__(self, endpoint: Endpoint, target: str, headers: Mapping[str, str], silence: float) -> None:
        """Send the request and wait for the head of its answer. Raises BROKEN (see answers).

        `silence` is how long, in seconds, any later wait may take; the head may take the endpoint's own read timeout.
        """
        self.status = 0
        self.headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._arrived: list[bytes] = []
        self._began = False
        self._complete = False
        self._framed = False
        self._closed = threading.Event()
        self._silence = silence
        message = _message(endpoint, target, headers)
        self._connection = endpoint.connect()
        try:
            self._connection.settimeout(endpoint.read_timeout)
            self._connection.sendall(message)
            self._read_head()
            self._connection.settimeout(silence)
        except BaseException:
            self._connection.close()
            raise

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they come, until it ends or somebody closes it.

        Raises SilentError, HungUpError, ProtocolError, OSError.
        """
        while True:
            yield from self._take()
            if self._complete or self._closed.is_set():
                return
            try:
                if not self._receive():
                    return
            except TimeoutError:
                raise SilentError(f"{self._silence:.0f} s") from None
            except OSError:
                if self._closed.is_set():
                    return
                raise

    def lines(self, longest: int) -> Iterator[bytes]:
        """The body's lines without their ends. One of more than `longest` bytes raises ProtocolError."""
        begun: list[bytes] = []
        length = 0
        for chunk in self.chunks():
            *whole, rest = chunk.split(b"\n")
            for part in whole:
                yield b"".join([*begun, part])
                begun, length = [], 0
            if rest:
                begun.append(rest)
                length += len(rest)
            if length > longest:
                raise ProtocolError("a line without end")

    def read(self, limit: int) -> bytes:
        """The rest of the body, at most `limit` bytes of it."""
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) >= limit:
                break
        return bytes(body[:limit])

    def close(self) -> None:
        """End the reading. The reader's own end of the connection is closed by `release`, or when it is collected."""
        self._closed.set()
        # Not the TLS layer's shutdown: that one is for the thread that reads.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the connection back to the system; for the thread that read it, when it is through."""
        self._closed.set()
        self._connection.close()

    def _read_head(self) -> None:
        received = 0
        while not self._began:
            received += self._receive()
            if self._complete and not self._began:
                raise HungUpError
            if received > _MOST_HEADERS:
                raise ProtocolError("headers without end")

    def _receive(self) -> int:
        chunk = self._connection.recv(_CHUNK)
        if not chunk:
            if self._closed.is_set():
                return 0
            if self._framed or not self._began:
                raise HungUpError
            self._complete = True  # RFC 9112, 6.3: without a length, the end of the connection ends the body
            return 0
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserError as error:
            raise ProtocolError(type(error).__name__) from None
        return len(chunk)

    def _take(self) -> list[bytes]:
        arrived, self._arrived = self._arrived, []
        return arrived

    # --- called by the parser ---------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.decode("latin-1").lower()
        self._framed = self._framed or lower in ("content-length", "transfer-encoding")
        self.headers[lower] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._began = self.status >= 200  # those below announce another answer (RFC 9110, 15.2)

    def on_body(self, body: bytes) -> None:
        self._arrived.append(body)

    def on_message_complete(self) -> None:
        self._complete = self._began


def _message(endpoint: Endpoint, target: str, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": endpoint.authority, **headers}
    if " " in target or any(_UNFIT.search(text) for text in (target, *fields.values())):
        raise ValueError("a request's target or header holds a control character")  # and may be a credential
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")
