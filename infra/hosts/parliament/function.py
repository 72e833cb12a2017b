"""A step as parliament calls it: `main(context)` with a Flask request, for events and, by GET, for readiness.

parliament decodes events too, with an SDK that invents ids and loses bytes; so the request itself is read here, as
every other host reads it. What is returned is Flask's triple. parliament prints whatever is raised, and answers with
its text, so nothing may be.
"""

import atexit
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Protocol

from infra.broker.subscriber import Answer
from infra.hosts.defects import place_of
from infra.hosts.local.prepared_step import ending_on_refusal, prepared, root_from, say
from infra.hosts.step_endpoint import Message, StepEndpoint, problem

_log = logging.getLogger("lockstep.http")

Response = tuple[bytes, int, list[tuple[str, str]]]


class Headers(Protocol):
    """A request's headers: WSGI has joined those that were sent twice."""

    def items(self) -> Iterable[tuple[str, str]]: ...


class Request(Protocol):
    """What is asked of Flask's request."""

    @property
    def method(self) -> str: ...

    @property
    def headers(self) -> Headers: ...

    def get_data(self) -> bytes: ...


class Context(Protocol):
    """What is asked of parliament's context."""

    @property
    def request(self) -> Request: ...


class Function:
    """Serves one step. Called from several threads."""

    def __init__(self, endpoint: StepEndpoint) -> None:
        self._endpoint = endpoint

    def main(self, context: Context) -> Response:
        """Body, status and headers."""
        try:
            message = self._message(context.request)
        except Exception as defect:  # noqa: BLE001  parliament would print its text, and answer with it
            _log.error("a request failed with %s at %s", type(defect).__name__, place_of(defect))
            message = problem(Answer(500, reason="a defect; see the output of this process"))
        return message.body, message.status, list(message.headers)

    def _message(self, request: Request) -> Message:
        if request.method == "POST":
            return self._endpoint.answer(request.headers.items(), request.get_data())
        return self._endpoint.readiness()


def started(environ: Mapping[str, str]) -> Function:
    """The function of the step that `environ` chooses; it lets go of everything when the process ends.

    Raises SystemExit where `environ` cannot be used, having said why.
    """
    with ending_on_refusal(), ExitStack() as stack:
        step = stack.enter_context(prepared(root_from(environ), environ, say))
        atexit.register(stack.pop_all().close)
        say(f"lockstep step {step.name} ready")
        return Function(step.endpoint)
