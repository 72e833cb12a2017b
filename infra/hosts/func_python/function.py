"""A step as func-python's instanced function: `start`, `stop`, `alive`, `ready` and `handle`.

Both of its middlewares can serve it. That of `invoke: http` hands over the request, which is then served as anywhere
else, metrics and webhook handshake included. That of `invoke: cloudevent` has read it with the SDK (see received.py),
which also answers what it does not take for an event.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from events.errors import EventError
from infra.broker.subscriber import Answer
from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.defects import LastResort
from infra.hosts.func_python.readiness import PromptReadiness
from infra.hosts.func_python.received import body_of
from infra.hosts.local.prepared_step import PreparedStep, ending_on_refusal, prepared, root_from, say
from infra.hosts.step_app import StepApp, header_texts, respond
from infra.hosts.step_endpoint import problem


class Function:
    """Serves one step, from `start` to `stop`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._served: _Served | None = None

    def start(self, cfg: Mapping[str, str]) -> None:
        """Build the step that `cfg`, the environment, chooses; where it cannot be used, say why and end the process.

        It ends here and now: what is raised is logged by func-python's server, which then serves without the function,
        and SystemExit would go through its tasks, with a page of traces for each.
        """
        try:
            with ending_on_refusal():
                step = self._stack.enter_context(prepared(root_from(cfg), cfg, say))
        except SystemExit as refused:
            sys.stderr.flush()
            os._exit(int(refused.code or 0))
        self._served = _Served(step)
        self._stack.callback(self._served.readiness.close)
        say(f"lockstep step {step.name} ready")

    def stop(self) -> None:
        """Log out and let go of everything; running requests have ended or are given up."""
        self._served = None
        self._stack.close()

    def alive(self) -> tuple[bool, str]:
        """Whether the process is worth keeping: always."""
        return True, "OK"

    def ready(self) -> tuple[bool, str]:
        """Whether the authority serves, and else why not."""
        if self._served is None:
            return False, "not started"
        message = self._served.readiness()
        return message.status == 200, message.body.decode(errors="replace")

    async def handle(self, scope: Scope, receive: Receive, send: Any) -> None:
        """Serve a request, or what the middleware made of it. func-python answers with the text of what is raised."""
        served = self._served
        if served is None:
            raise RuntimeError("start was not called")
        if "event" in scope:
            await LastResort(served.event)(scope, receive, send.http)
        else:
            await LastResort(served.app)(scope, receive, send)


class _Served:
    """A step that was started."""

    def __init__(self, step: PreparedStep) -> None:
        self.app = StepApp(step.endpoint, step.propagation)
        self.readiness = PromptReadiness(step.endpoint.readiness)
        self._endpoint = step.endpoint

    async def event(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: the event in `scope["event"]`, whose body was received."""
        try:
            body = body_of(scope)
        except EventError as error:
            await respond(send, problem(Answer(400, reason=str(error))))
            return
        await respond(send, await asyncio.to_thread(self._endpoint.answer, header_texts(scope), body))


def new() -> Function:
    """func-python's constructor of a function."""
    return Function()
