"""One step over HTTP, as func's middlewares serve it: events in, reply out, health and metrics beside."""

import asyncio
import json
from collections.abc import Callable
from typing import Protocol

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.http_binding import MAX_BODY_BYTES, decode, encode_binary
from functions._failures import Retry
from infra.broker.subscriber import Answer
from infra.hosts.answering import StepAnswerer
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.metrics import CONTENT_TYPE, PROPAGATION, Histogram

_TIMEOUT = 30.0
_LONGEST_PROBLEM = 700  # bytes; Knative's MT broker fails on error bodies of more than 768 (reference/events.md 1)


class _UnusableBodyError(Exception):
    """The body is too large, or was never completed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.answer = Answer(status, reason=reason)


class Sink(Protocol):
    """Where several events go."""

    def send(self, events: tuple[CloudEvent, ...]) -> None: ...


class StepApp:
    """ASGI: `POST /` with a CloudEvent; `/health/liveness`, `/health/readiness`, `/metrics`."""

    def __init__(
        self, answerer: StepAnswerer, sink: Sink, propagation: Histogram, reason: Callable[[], str] = lambda: ""
    ) -> None:
        self._answerer = answerer
        self._sink = sink
        self._propagation = propagation
        self._reason = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/health/liveness":
            await _respond(send, 200, b"OK")
        elif path == "/health/readiness":
            ready = await asyncio.to_thread(self._answerer.ready)
            await _respond(send, 200 if ready else 503, b"OK" if ready else self._reason().encode()[:400])
        elif path == "/metrics":
            text = "\n".join(self._propagation.render(PROPAGATION)) + "\n"
            await _respond(send, 200, text.encode(), [("content-type", CONTENT_TYPE)])
        elif method == "OPTIONS":
            await _respond(send, 200, b"", [("allow", "POST, OPTIONS"), ("webhook-allowed-origin", "*")])
        elif method != "POST":
            await _problem(send, Answer(405, reason="events come by POST"))
        else:
            await self._event(scope, receive, send)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
        except _UnusableBodyError as unusable:
            await _problem(send, unusable.answer)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        try:
            event = decode(headers, body)
        except EventError as error:
            await _problem(send, Answer(400, reason=str(error)))
            return
        answer = await asyncio.to_thread(self._answer, event)
        if answer.status >= 300:
            await _problem(send, answer)
        elif answer.events:
            reply_headers, reply = encode_binary(answer.events[0])
            await _respond(send, 200, reply, reply_headers)
        else:
            await _respond(send, 204, b"")

    def _answer(self, event: CloudEvent) -> Answer:
        """Nothing, one reply, or, of several, all to the sink and then nothing (DESIGN, "Time, capacity, fan-out")."""
        answer = self._answerer.deliver(event, _TIMEOUT)
        if len(answer.events) <= 1:
            return answer
        try:
            self._sink.send(answer.events)
        except Retry as failure:
            return Answer(503, reason=failure.reason, retry_after=failure.after)
        return Answer(204)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _UnusableBodyError(400, "the connection closed before the event was complete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise _UnusableBodyError(413, "the event is larger than is taken; send a reference, not the data")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _problem(send: Send, answer: Answer) -> None:
    headers = [("content-type", "application/problem+json")]
    if answer.retry_after is not None:
        headers.append(("retry-after", str(max(1, round(answer.retry_after)))))
    if answer.status == 405:
        headers.append(("allow", "POST, OPTIONS"))
    await _respond(send, answer.status, _problem_body(answer), headers)


def _problem_body(answer: Answer) -> bytes:
    """JSON that is short however its text is escaped."""
    detail = answer.reason
    while True:
        body = json.dumps({"status": answer.status, "detail": detail}, ensure_ascii=False).encode(errors="replace")
        if len(body) <= _LONGEST_PROBLEM:
            return body
        detail = detail[: len(detail) * 3 // 4]


async def _respond(send: Send, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers or []]
    if status != 204:
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
