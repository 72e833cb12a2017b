"""Health and metrics of a process that answers nothing else: `/health/liveness`, `/health/readiness`, `/metrics`."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from infra.broker.subscriber import Answer
from infra.hosts.asgi import Application, Receive, Scope, Send
from infra.hosts.metrics import CONTENT_TYPE
from infra.hosts.serving import ListenError, Servers, plain_http, tcp_socket
from infra.hosts.step_app import respond
from infra.hosts.step_endpoint import Message, problem

_PATIENCE = 10.0  # seconds until a listener that was told to stop has stopped


def _no_metrics() -> str:
    return ""


class HealthApp:
    """ASGI. `failed` and `unready` say what is wrong, "" where nothing is: a process that failed is worth replacing,
    one that is not ready is worth waiting for. They may take a while: no request waits for another's answer."""

    def __init__(
        self, failed: Callable[[], str], unready: Callable[[], str], page: Callable[[], str] = _no_metrics
    ) -> None:
        self._said: Mapping[str, Callable[[], Message]] = {
            "/health/liveness": lambda: _health(failed()),
            "/health/readiness": lambda: _health(unready()),
            "/metrics": lambda: Message(200, (("content-type", CONTENT_TYPE),), page().encode()),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._said.get(scope["path"])
        if answer is None:
            await respond(send, problem(Answer(404, reason="there are health and metrics here, and nothing else")))
        elif scope["method"] not in {"GET", "HEAD"}:
            await respond(send, Message(405, (("allow", "GET"),)))
        else:
            await respond(send, await asyncio.to_thread(answer))


@contextmanager
def listening(app: Application, environ: Mapping[str, str]) -> Iterator[int]:
    """Serve at LISTEN_ADDRESS beside what the process does, until the block is left; the port, 0 where none is named.

    Raises ListenError.
    """
    listen = environ.get("LISTEN_ADDRESS", "")
    if not listen:
        yield 0
        return
    with closing(tcp_socket(listen, None, plain=plain_http(environ))) as bound:
        port: int = bound.getsockname()[1]
        servers, accepting = Servers(app, drain_seconds=1), threading.Event()
        failures: list[ListenError] = []

        def run() -> None:
            try:
                servers.add_tcp(bound)
                servers.run(accepting.set)
            except ListenError as failure:
                failures.append(failure)
            finally:
                accepting.set()

        thread = threading.Thread(target=run, name="health", daemon=True)
        thread.start()
        accepting.wait()
        if failures:
            raise failures[0]
        try:
            yield port
        finally:
            servers.stop()
            thread.join(_PATIENCE)


def _health(problem: str) -> Message:
    return Message(503, body=problem.encode(errors="replace")[:400]) if problem else Message(200, body=b"OK")
