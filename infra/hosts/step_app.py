"""One step over HTTP, as func's middlewares serve it: events in, reply out, health and metrics beside."""

import asyncio
from collections.abc import Callable

from events.http_binding import MAX_BODY_BYTES
from infra.broker.errors import RefusedError
from infra.broker.request_body import Limit, whole_body
from infra.broker.subscriber import Answer
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.metrics import CONTENT_TYPE, PROPAGATION, Histogram
from infra.hosts.step_endpoint import TOO_LARGE, Message, StepEndpoint, problem

_LIMIT = Limit(MAX_BODY_BYTES, TOO_LARGE.reason, "the connection closed before the event was complete")


class StepApp:
    """ASGI: `POST /` with a CloudEvent; `/health/liveness`, `/health/readiness`, `/metrics`."""

    def __init__(self, endpoint: StepEndpoint, propagation: Histogram) -> None:
        self._endpoint = endpoint
        self._propagation = propagation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/health/liveness":
            await respond(send, Message(200, body=b"OK"))
        elif path == "/health/readiness":
            await respond(send, await asyncio.to_thread(self._endpoint.readiness))
        elif path == "/metrics":
            text = "\n".join(self._propagation.render(PROPAGATION)) + "\n"
            await respond(send, Message(200, (("content-type", CONTENT_TYPE),), text.encode()))
        elif method == "OPTIONS":
            await respond(send, Message(200, (("allow", "POST, OPTIONS"), ("webhook-allowed-origin", "*"))))
        elif method != "POST":
            await respond(send, problem(Answer(405, reason="events come by POST")))
        else:
            await self._event(scope, receive, send)

    async def _event(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_body(scope, receive, send, lambda body: self._endpoint.answer(header_texts(scope), body))


def header_texts(scope: Scope) -> list[tuple[str, str]]:
    """The request's headers as text, one character per byte."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


async def respond(send: Send, message: Message) -> None:
    """Send an answer whole."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in message.headers]
    if message.status != 204:
        raw.append((b"content-length", str(len(message.body)).encode()))
    await send({"type": "http.response.start", "status": message.status, "headers": raw})
    await send({"type": "http.response.body", "body": message.body})


async def answer_body(scope: Scope, receive: Receive, send: Send, answer: Callable[[bytes], Message]) -> None:
    """Have `answer`, in a thread, answer the body; what is too large or never completed is refused."""
    try:
        body = await whole_body(scope["headers"], receive, _LIMIT)
    except RefusedError as refused:
        await respond(send, problem(Answer(refused.status, reason=refused.reason)))
        return
    await respond(send, await asyncio.to_thread(answer, body))
