"""The control API's transport: JSON over HTTP, from the Unix socket only, whose peers the kernel names."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from infra.broker.errors import RefusedError
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.senders import Senders, peer_uid

CONTROL = "/control/v1/"
_LARGEST = 1024 * 1024  # bytes of a request's arguments
_CONTROLLING = 32  # requests of the command line at the same time
Control = Callable[[str, str, dict[str, Any], str], tuple[int, Any]]  # method, name, arguments, who asks


class Controlled:
    """ASGI below `CONTROL`."""

    def __init__(self, control: Control, senders: Senders) -> None:
        self._control = control
        self._senders = senders
        # Threads of their own: whoever follows or waits holds one, and must not hold up health and metrics.
        self._controlling = ThreadPoolExecutor(_CONTROLLING, thread_name_prefix="control")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        request = (scope["method"], scope["path"].removeprefix(CONTROL), arguments, str(principal))
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
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
