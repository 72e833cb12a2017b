"""`POST /alertmanager`: reports of leaks from Prometheus' Alertmanager, an ASGI application.

It retries what was answered with 5xx, and gives up on any 4xx, 429 included: whatever may clear is answered with 503.
All alerts of a webhook are stored or none, and whoever reports is answered alike, whatever the alerts are about.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from events.cloudevent import CloudEvent
from infra.broker.errors import BrokerClosedError, BrokerFullError, RefusedError
from infra.broker.principal import Principal
from infra.broker.request_body import Limit, whole_body
from infra.hosts.alerts import LARGEST, Surroundings, reports
from infra.hosts.asgi import Application, Receive, Scope, Send
from infra.hosts.reporters import Reporters

PATH = "/alertmanager"
# Webhooks that are held in memory at a time, and of one reporter's: who sends slowly must not silence the others.
_AT_ONCE, _OF_ONE = 4, 2
_LATER = 5  # seconds
_LIMIT = Limit(
    LARGEST,
    f"the webhook is larger than {LARGEST // 2**20} MiB; set max_alerts in the receiver's webhook_configs",
    "the connection closed before the webhook was complete",
)
_log = logging.getLogger("lockstep.alertmanager")

AcceptMany = Callable[[Iterable[CloudEvent], Principal], Future[tuple[int, ...]]]


class Alertmanager:
    """`accept` takes all events or none; `around` says when it is now, and the rest of what goes with a report."""

    def __init__(self, accept: AcceptMany, reporters: Reporters, around: Callable[[], Surroundings]) -> None:
        self._accept = accept
        self._reporters = reporters
        self._around = around
        self._held: Counter[Principal] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._take(scope, receive)
        except RefusedError as refused:
            status = 503 if refused.status == 429 else refused.status
            await _answer(send, status, refused.reason, refused.retry_after)
        except BrokerFullError as full:
            await _answer(send, 503, full.reason, full.retry_after)
        except BrokerClosedError as closed:
            await _answer(send, 503, str(closed), _LATER)
        else:
            await _answer(send, 200, "", None)

    async def _take(self, scope: Scope, receive: Receive) -> None:
        if scope["method"] != "POST":
            raise RefusedError(405, "alerts come by POST")
        reporter = self._reporters(scope)  # before anything that a stranger sends is kept
        if self._held.total() >= _AT_ONCE or self._held[reporter] >= _OF_ONE:
            raise RefusedError(503, "other webhooks are being read", _LATER)
        self._held[reporter] += 1
        try:
            body = await whole_body(scope["headers"], receive, _LIMIT)
            events = await asyncio.to_thread(reports, body, reporter, self._around())
            if events:
                stored = await asyncio.to_thread(self._accept, events, reporter)
                await asyncio.wrap_future(stored)
        finally:
            self._held[reporter] -= 1


class Beside:
    """The webhook at its path, and another application at all others."""

    def __init__(self, webhook: Alertmanager, others: Application) -> None:
        self._webhook = webhook
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._webhook if scope["path"] == PATH else self._others
        await app(scope, receive, send)


async def _answer(send: Send, status: int, detail: str, retry_after: int | None) -> None:
    headers = [(b"content-type", b"application/problem+json")] if detail else []
    if status == 401:
        headers += [(b"www-authenticate", b"Bearer"), (b"www-authenticate", b'Basic realm="lockstep"')]
    if status == 405:
        headers.append((b"allow", b"POST"))
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status >= 400 and status != 401:  # strangers must not fill the log
        _log.warning("a webhook was refused with %s: %s", status, detail)
    body = json.dumps({"status": status, "detail": detail}).encode() if detail else b""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
