"""Whether the API server can be used now: while it cannot, deliveries are held rather than tried."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from functions._failures import StepFailure
from infra.kubernetes.api import Api
from infra.kubernetes.settings import ClusterSettings

_FRESH = 2.0  # seconds that a good answer is reused; a step that fails meanwhile costs one attempt
_AGAIN = 0.5  # seconds that a bad one is
_PATIENCE = 1.5  # seconds: who asks whether it serves cannot wait as long as who has work for it


def impatient(settings: ClusterSettings) -> ClusterSettings:
    """The settings of a client that only asks whether the API server serves: one that is frozen is known soon."""
    return replace(
        settings,
        connect_timeout=min(settings.connect_timeout, _PATIENCE),
        read_timeout=min(settings.read_timeout, _PATIENCE),
    )


class ClusterGate:
    """Asks for the server's version, which everybody may, seldom enough to cost no change anything."""

    def __init__(self, api: Api, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._until = float("-inf")
        self._reason = ""

    def reason(self) -> str:
        """Why it cannot be used, "" when it can."""
        with self._guard:
            if self._monotonic() >= self._until:
                try:
                    self._api.get_raw("/version")
                    self._reason = ""
                except StepFailure as failure:
                    self._reason = failure.reason
                self._until = self._monotonic() + (_AGAIN if self._reason else _FRESH)
            return self._reason

    def ready(self) -> bool:
        return not self.reason()
