"""The ASGI application of an instance: ingress, health, metrics, and the control API on the Unix socket only."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.broker.errors import RefusedError
from infra.broker.ingress import Ingress, Receive, Scope, Send
from infra.hosts.local.gauges import Gauges
from infra.hosts.local.instance import Parts
from infra.hosts.metrics import CONTENT_TYPE
from infra.hosts.senders import Senders, peer_uid

CONTROL = "/control/v1/"
_LARGEST = 1024 * 1024  # bytes of a request's arguments
_CONTROLLING = 32  # requests of the command line at the same time
Control = Callable[[Parts, str, str, dict[str, Any], str], tuple[int, Any]]


class App:
    """Routes as func's middlewares have them, and `POST /lockstep/default` as Knative's ingress."""

    def __init__(self, parts: Parts, control: Control) -> None:
        self._parts = parts
        self._control = control
        self._gauges = Gauges(parts)
        self._senders = Senders(parts.configuration.principals)
        self._ingress = Ingress({("lockstep", "default"): parts.broker}, self._senders)
        # Threads of their own: whoever follows or waits holds one, and must not hold up health and metrics.
        self._controlling = ThreadPoolExecutor(_CONTROLLING, thread_name_prefix="control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/health/liveness":
            await _respond(send, 200, b"OK", "text/plain")
        elif path == "/health/readiness":
            await self._readiness(send)
        elif path == "/metrics":
            text = await asyncio.to_thread(self._gauges.page)
            await _respond(send, 200, text.encode(), CONTENT_TYPE)
        elif path.startswith(CONTROL):
            await self._controlled(scope, receive, send)
        else:
            await self._ingress(scope, receive, send)

    async def _readiness(self, send: Send) -> None:
        health = await asyncio.to_thread(self._parts.authority.gate.health)
        body = b"OK" if health.serves else health.reason.encode()[:400]
        await _respond(send, 200 if health.serves else 503, body, "text/plain")

    async def _controlled(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not peer_uid(scope):
            await _json(send, 404, {"error": "the control API is on the Unix socket only"})
            return
        try:
            principal = self._senders(scope)
        except RefusedError as refused:
            await _json(send, refused.status, {"error": refused.reason})
            return
        body = await _body(receive)
        if body is None:
            return  # nobody is there any more, and half a request is none
        arguments = _arguments(body)
        if arguments is None:
            await _json(send, 400, {"error": "the body is a JSON object of at most 1 MiB"})
            return
        request = (self._parts, scope["method"], scope["path"].removeprefix(CONTROL), arguments, str(principal))
        loop = asyncio.get_running_loop()
        status, answer = await loop.run_in_executor(self._controlling, self._control, *request)
        await _json(send, status, answer)


async def _body(receive: Receive) -> bytes | None:
    """The body, cut off where it is too large; None where the connection ended within it."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body", False) or len(body) > _LARGEST:
            return body


def _arguments(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body or b"{}") if len(body) <= _LARGEST else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


async def _json(send: Send, status: int, answer: Any) -> None:
    await _respond(send, status, json.dumps(answer).encode(), "application/json")


async def _respond(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
