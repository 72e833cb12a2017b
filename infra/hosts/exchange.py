"""One HTTP request and its answer, between the parser of a connection and an ASGI application."""

import asyncio
import re
from typing import Protocol

from infra.hosts.asgi import Application, Message, Scope

_UNFIT_NAME = re.compile(rb"[^!#$%&'*+\-.^_`|~0-9A-Za-z]")
_UNFIT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MOST_BUFFERED = 64 * 1024  # bytes of a body that the application did not ask for yet


class Wire(Protocol):
    """What an exchange asks of the transport of its connection."""

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Exchange:
    """A request as it arrives, and its answer, which is written whole: those of Lockstep are small."""

    def __init__(self, scope: Scope, wire: Wire, *, kept: bool, awaits_continue: bool) -> None:
        """`kept`: whether the connection may serve another request."""
        self._scope = scope
        self._wire = wire
        self._awaits_continue = awaits_continue
        self._body = bytearray()
        self._given = False  # whether the application has seen the end of the body
        self._news = asyncio.Event()
        self._start: Message | None = None
        self._answer = bytearray()
        self.kept = kept
        self.arrived = False  # whole
        self.answered = False
        self.lost = False  # nobody waits for the answer any more

    async def run(self, app: Application) -> None:
        """Let the application answer. One that returns without leaves the exchange not `answered`."""
        await app(self._scope, self._receive, self._send)

    # --- from the connection --------------------------------------------------------------------------------------

    def take(self, part: bytes) -> None:
        """More of the body. What comes after the answer is of no use."""
        if self.answered:
            return
        self._body += part
        if len(self._body) > _MOST_BUFFERED:
            self._wire.pause_reading()
        self._news.set()

    def arrive(self) -> None:
        """The request is complete."""
        self.arrived = True
        self._news.set()

    def lose(self) -> None:
        """The other side is gone, or is no longer listened to."""
        self.lost = True
        self._news.set()

    # --- from the application -------------------------------------------------------------------------------------

    async def _receive(self) -> Message:
        if self._awaits_continue and not self.lost:
            self._awaits_continue = False
            self._wire.write(_CONTINUE)
        while not self.lost and (self._given or not (self._body or self.arrived)):
            self._wire.resume_reading()
            self._news.clear()
            await self._news.wait()
        if self.lost:
            return {"type": "http.disconnect"}
        body = bytes(self._body)
        self._body.clear()
        self._given = self.arrived
        return {"type": "http.request", "body": body, "more_body": not self.arrived}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._answer += message.get("body", b"")
        if not message.get("more_body", False):
            self._finish()

    def _finish(self) -> None:
        if self.answered or self._start is None:
            raise RuntimeError("an answer begins once, and ends once")
        if self.lost:
            return
        self.answered = True
        self._awaits_continue = False
        status, headers = self._start["status"], list(self._start["headers"])
        if any(name.lower() == b"connection" and value.lower() == b"close" for name, value in headers):
            self.kept = False
        body, head = bytes(self._answer), self._scope["method"] == "HEAD"
        self._wire.write(response(status, headers, body, kept=self.kept, head=head))


def response(status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, kept: bool, head: bool = False) -> bytes:
    """An answer's bytes; its length, and whether the connection is kept, are told here.

    Raises ValueError for a header that would not stay one.
    """
    parts = [b"HTTP/1.1 %d \r\n" % status]  # the phrase is for people, and may be missing (RFC 9112, 4)
    for name, value in headers:
        if _UNFIT_NAME.search(name) or _UNFIT_VALUE.search(value):
            raise ValueError("a header of an answer holds a character that would end it")
        if name.lower() not in (b"content-length", b"connection"):
            parts += (name, b": ", value, b"\r\n")
    if not kept:
        parts.append(b"connection: close\r\n")
    if status in (204, 304):
        return b"".join((*parts, b"\r\n"))
    return b"".join((*parts, b"content-length: %d\r\n\r\n" % len(body), b"" if head else body))
