"""Whether the authority can be used now: what readiness, and holding deliveries, are decided by."""

import threading
import time
from dataclasses import replace

from infra.stores.vault.health import Health, health
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings

_FRESH = 0.5  # seconds that an answer about the authority's health is reused
_PATIENCE = 1.5  # seconds: who asks whether it serves cannot wait as long as who has work for it
_LARGEST = 64 * 1024  # bytes of an answer about health


def impatient(settings: VaultSettings) -> VaultSettings:
    """The settings of a client that only asks for the authority's health."""
    return replace(
        settings,
        connect_timeout=min(settings.connect_timeout, _PATIENCE),
        read_timeout=min(settings.read_timeout, _PATIENCE),
        max_response=_LARGEST,
    )


class AuthorityGate:
    """Whether the authority serves, asked at most twice a second: what readiness and holding are decided by.

    `unseals_itself`: nobody is told to unseal it.
    """

    def __init__(self, http: HttpClient, *, unseals_itself: bool = False) -> None:
        self._http = http
        self._unseals_itself = unseals_itself
        self._guard = threading.Lock()
        self._asked = float("-inf")  # a machine's monotonic clock may begin at zero
        self._health = Health(False, False, True, False, "", "the authority was not asked yet")

    def health(self) -> Health:
        with self._guard:
            if time.monotonic() - self._asked > _FRESH:
                self._health = self._worded(health(self._http))
                self._asked = time.monotonic()
            return self._health

    def _worded(self, found: Health) -> Health:
        if not (self._unseals_itself and found.reachable and found.initialized and found.sealed):
            return found
        return replace(found, reason=f"{self._http.settings.address} is starting, and unseals itself")

    def ready(self) -> bool:
        return self.health().serves
