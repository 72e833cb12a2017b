"""What is told of a defect: its type and where it was raised. Its text may quote data, so that goes nowhere."""

import logging

from infra.hosts.asgi import Application, Message, Receive, Scope, Send

_log = logging.getLogger("lockstep.http")
_BODY = b"a defect; see the output of this process"


def place_of(defect: BaseException) -> str:
    """`module:line` where it was raised: enough to find it, and no value in it."""
    trace = defect.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


class LastResort:
    """ASGI: answers 500 for what an application did not handle. The server itself would print the whole exception."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as defect:  # noqa: BLE001  whatever it is, the other side is answered and it is logged
            _log.error("a request failed with %s at %s", type(defect).__name__, place_of(defect))
            if not started:  # else the answer is cut off, which the server does when we return
                headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(_BODY)).encode())]
                await send({"type": "http.response.start", "status": 500, "headers": headers})
                await send({"type": "http.response.body", "body": _BODY})
