"""The ledger over HTTP: events and dead letters, health and metrics, and its own part of the control API."""

import asyncio

from infra.broker.subscriber import Answer
from infra.hosts import metrics
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.gate import AuthorityGate
from infra.hosts.local.controlled import CONTROL, Controlled
from infra.hosts.recording.book import RecordBook
from infra.hosts.recording.endpoint import RecordEndpoint
from infra.hosts.step_app import answer_body, header_texts, respond
from infra.hosts.step_endpoint import Message, problem


class RecordApp:
    """ASGI: `POST /`, `POST /dead-letters`, `/health/*`, `/metrics`; `/control/v1/` on the Unix socket."""

    def __init__(self, endpoint: RecordEndpoint, page: "RecordPage", controlled: Controlled) -> None:
        self._endpoint = endpoint
        self._page = page
        self._controlled = controlled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path == "/health/liveness":
            await respond(send, Message(200, body=b"OK"))
        elif path == "/health/readiness":
            await respond(send, await asyncio.to_thread(self._page.readiness))
        elif path == "/metrics":
            text = await asyncio.to_thread(self._page.metrics)
            await respond(send, Message(200, (("content-type", metrics.CONTENT_TYPE),), text.encode()))
        elif path.startswith(CONTROL):
            await self._controlled(scope, receive, send)
        elif method == "OPTIONS":
            await respond(send, Message(200, (("allow", "POST, OPTIONS"), ("webhook-allowed-origin", "*"))))
        elif method != "POST":
            await respond(send, problem(Answer(405, reason="events come by POST")))
        else:
            await self._event(path, scope, receive, send)

    async def _event(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        await answer_body(scope, receive, send, lambda body: self._endpoint.answer(path, header_texts(scope), body))


class RecordPage:
    """How the ledger does. It is ready while it can write: anchoring may wait for the authority, events may not."""

    def __init__(self, book: RecordBook, gate: AuthorityGate) -> None:
        self._book = book
        self._gate = gate

    def readiness(self) -> Message:
        health = self._book.health()
        if health.full or not health.running:
            return Message(503, body=b"the ledger cannot write: see the volume, and what is on it")
        return Message(200, body=b"OK")

    def metrics(self) -> str:
        entries, _ = self._book.ledger.head()
        anchors = self._book.ledger.anchors(limit=1)
        gauges: list[tuple[metrics.Metric, float]] = [
            (metrics.DEAD_LETTERS, self._book.dead_letters.count()),
            (metrics.LEDGER_ENTRIES, entries),
            (metrics.ANCHOR_LAG, max(0, entries - (anchors[-1].n if anchors else 0))),
            (metrics.AUTHORITY_UP, float(self._gate.ready())),
        ]
        lines = [line for metric, value in gauges for line in metrics.render(metric, [({}, value)])]
        return "\n".join(lines) + "\n"
