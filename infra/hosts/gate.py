"""Whether the authority can be used now: what readiness, and holding deliveries, are decided by."""

import threading
import time

from infra.stores.vault.health import Health, health
from infra.stores.vault.http import HttpClient

_FRESH = 0.5  # seconds that an answer about the authority's health is reused


class AuthorityGate:
    """Whether the authority serves, asked at most twice a second: what readiness and holding are decided by."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._guard = threading.Lock()
        self._asked = 0.0
        self._health = Health(False, False, True, False, "", "the authority was not asked yet")

    def health(self) -> Health:
        with self._guard:
            if time.monotonic() - self._asked > _FRESH:
                self._health = health(self._http)
                self._asked = time.monotonic()
            return self._health

    def ready(self) -> bool:
        return self.health().serves
