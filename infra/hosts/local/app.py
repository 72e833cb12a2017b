"""The ASGI application of an instance: ingress, health, metrics, and the control API on the Unix socket only."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from infra.broker.ingress import Ingress, Receive, Scope, Send
from infra.hosts.alertmanager import PATH as ALERTMANAGER
from infra.hosts.alertmanager import Alertmanager
from infra.hosts.alerts import Surroundings
from infra.hosts.local.controlled import CONTROL, Controlled
from infra.hosts.local.gauges import Gauges
from infra.hosts.local.instance import Parts
from infra.hosts.metrics import CONTENT_TYPE
from infra.hosts.reporters import Reporters
from infra.hosts.senders import Senders
from infra.hosts.views.selection import path_named

Control = Callable[[Parts, str, str, dict[str, Any], str], tuple[int, Any]]


class App:
    """Routes as func's middlewares have them, and `POST /lockstep/default` as Knative's ingress."""

    def __init__(self, parts: Parts, control: Control) -> None:
        self._parts = parts
        self._gauges = Gauges(parts)
        self._senders = Senders(parts.configuration.principals)
        self._ingress = Ingress({("lockstep", "default"): parts.broker}, self._senders)
        self._alertmanager = webhook(parts)
        self._controlled = Controlled(partial(control, parts), self._senders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/health/liveness":
            await _respond(send, 200, b"OK", "text/plain")
        elif path == "/health/readiness":
            await self._readiness(send)
        elif path == "/metrics":
            text = await asyncio.to_thread(self._gauges.page)
            await _respond(send, 200, text.encode(), CONTENT_TYPE)
        elif path == ALERTMANAGER:
            await self._alertmanager(scope, receive, send)
        elif path.startswith(CONTROL):
            await self._controlled(scope, receive, send)
        else:
            await self._ingress(scope, receive, send)

    async def _readiness(self, send: Send) -> None:
        health = await asyncio.to_thread(self._parts.authority.gate.health)
        body = b"OK" if health.serves else health.reason.encode()[:400]
        await _respond(send, 200 if health.serves else 503, body, "text/plain")


def webhook(parts: Parts) -> Alertmanager:
    """Alertmanager's webhook, whose alerts the instance's own broker stores."""
    return Alertmanager(parts.broker.accept_many, Reporters(parts.configuration.reporters), partial(_around, parts))


def _around(parts: Parts) -> Surroundings:
    return Surroundings(
        source=f"/lockstep/{parts.configuration.cluster}/alertmanager",
        now=datetime.now(UTC),
        lifetime=timedelta(seconds=parts.shared.settings.order_lifetime),
        path_named=partial(path_named, wiring=parts.wiring),
    )


async def _respond(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
