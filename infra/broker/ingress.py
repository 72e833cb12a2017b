"""The broker's HTTP ingress, an ASGI application: `POST /<namespace>/<broker>` (reference, events.md 1).

Order of checks: method, path, size, parse and validate, look up, authenticate, authorise, TTL, store.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from events.cloudevent import MAX_EVENT_BYTES, CloudEvent
from events.errors import EventError
from events.foreign import CarriedValuesError, translate
from events.http_binding import MAX_BODY_BYTES, decode
from infra.broker.broker import Broker
from infra.broker.errors import BrokerClosedError, BrokerFullError, RefusedError
from infra.broker.principal import Principal
from infra.broker.request_body import Limit, whole_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Authenticate = Callable[[Scope], Principal]
Headers = list[tuple[str, str]]

_ALLOW = ("allow", "POST, OPTIONS")
_OPTIONS: Headers = [_ALLOW, ("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "*")]
_TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    413: "Content Too Large", 503: "Service Unavailable",
}  # fmt: skip
_log = logging.getLogger("lockstep.ingress")
_TOO_LARGE = f"the event is larger than {MAX_EVENT_BYTES // 1024} KiB; send a reference, not the data"
_LIMIT = Limit(MAX_BODY_BYTES, _TOO_LARGE, "the connection closed before the event was complete")
_MAX_DETAIL = 400  # error bodies stay short: they end up in dead letters of 768 bytes elsewhere


class Ingress:
    """Serves brokers by (namespace, name).

    `authenticate` finds the principal in a connection's scope (peer, headers); it raises RefusedError 401 for
    credentials that are wrong. It is called only for well-formed events to a broker that exists.
    """

    def __init__(self, brokers: dict[tuple[str, str], Broker], authenticate: Authenticate) -> None:
        self._brokers = brokers
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await _respond(send, 200, _OPTIONS)
            return
        try:
            await self._accept(scope, receive)
        except RefusedError as refused:
            await _problem(send, refused.status, refused.reason, refused.retry_after)
        except BrokerFullError as full:
            await _problem(send, 503, full.reason, full.retry_after)
        except BrokerClosedError as closed:
            await _problem(send, 503, str(closed), 5)
        else:
            await _respond(send, 202, [])

    async def _accept(self, scope: Scope, receive: Receive) -> None:
        if scope["method"] != "POST":
            raise RefusedError(405, "events come by POST")
        address = _address(scope["path"])
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        event = _decode(headers, await whole_body(scope["headers"], receive, _LIMIT))
        broker = self._brokers.get(address)
        if broker is None:
            raise RefusedError(404, f"there is no broker {address[0][:80]}/{address[1][:80]}")
        await asyncio.wrap_future(broker.accept(event, self._authenticate(scope)))


def _address(path: str) -> tuple[str, str]:
    if path in ("", "/"):
        raise RefusedError(404, "events go to /<namespace>/<broker>")
    segments = path.removeprefix("/").removesuffix("/").split("/")
    if len(segments) != 2 or not all(segments):
        raise RefusedError(400, "events go to /<namespace>/<broker>")
    return segments[0], segments[1]


def _decode(headers: Headers, body: bytes) -> CloudEvent:
    binary = not any(n.lower() == "content-type" and "application/cloudevents" in v.lower() for n, v in headers)
    if binary and len(body) > MAX_EVENT_BYTES:
        raise RefusedError(413, _TOO_LARGE)
    try:
        return translate(decode(headers, body))  # before anything is stored, so that Triggers see our types alone
    except CarriedValuesError as error:
        _log.error("refused an event: %s", error)
        raise RefusedError(400, str(error)) from None
    except EventError as error:
        raise RefusedError(400, str(error)) from None


async def _problem(send: Send, status: int, detail: str, retry_after: int | None) -> None:
    headers: Headers = [("content-type", "application/problem+json")]
    if status == 405:
        headers.append(_ALLOW)
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    body = {"title": _TITLES.get(status, "Error"), "status": status, "detail": detail[:_MAX_DETAIL]}
    await _respond(send, status, headers, json.dumps(body).encode())


async def _respond(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
