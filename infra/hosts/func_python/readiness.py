"""Readiness for a server that asks on its event loop, where everything else waits for the answer."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from infra.hosts.step_endpoint import Message

_MOMENT = 0.2  # seconds; an authority that serves answers in a few milliseconds


class PromptReadiness:
    """What `ask` says within a moment, or else what it said last; it is never asked twice at once."""

    def __init__(self, ask: Callable[[], Message], moment: float = _MOMENT) -> None:
        self._ask = ask
        self._moment = moment
        self._asking = ThreadPoolExecutor(1, "readiness")
        self._asked: Future[Message] | None = None
        self._known = Message(503, body=b"it was not found out yet whether the authority serves")

    def __call__(self) -> Message:
        if self._asked is not None and self._asked.done():
            self._known = self._asked.result()
            self._asked = None
        if self._asked is None:
            self._asked = self._asking.submit(self._ask)
        with suppress(TimeoutError):
            self._known = self._asked.result(self._moment)
        return self._known

    def close(self) -> None:
        """Wait for an answer that is still to come."""
        self._asking.shutdown()
