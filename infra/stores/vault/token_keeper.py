"""Keeps one identity's token valid: logs in when first asked, renews in time, logs in again when it must."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.stores.vault.auth import Authenticator, Token, granted
from infra.stores.vault.http import DEPENDENCY, HttpClient

RENEW_AT = 2 / 3  # of the lease
_JITTER = 0.1  # of the lease, so that many processes do not renew at once
_RETRY_RENEWAL = 10.0  # seconds after a renewal that found nobody
_WORN = 0.5  # a renewal that gives less than this share of the first lease has met the max TTL
_VOUCHED = 30.0  # seconds that a token proven valid is not checked again


class Tokens(Protocol):
    """Where a client's token comes from."""

    def value(self) -> SecretValue: ...
    def maintain(self) -> None: ...
    def expired(self, value: SecretValue) -> bool: ...
    def close(self) -> None: ...


class GivenToken:
    """One token for a few requests: it is somebody else's to keep alive and to end."""

    def __init__(self, token: SecretValue) -> None:
        self._token = token

    def value(self) -> SecretValue:
        return self._token

    def maintain(self) -> None:
        """Whoever made it does."""

    def expired(self, value: SecretValue) -> bool:
        return False  # there is none to replace it

    def close(self) -> None:
        """Whoever made it does."""


@dataclass(slots=True)
class _Held:
    token: Token
    first_lease: float
    expires: float | None  # None: never
    renew_at: float | None
    vouched_until: float = 0.0


class TokenKeeper:
    """Hands out a valid token. Thread-safe, and without a thread of its own.

    The call that first comes after two thirds of the lease renews; others go on with the token meanwhile. An idle
    process calls `maintain()` now and then. A token without TTL is left alone.
    """

    def __init__(
        self,
        http: HttpClient,
        authenticator: Authenticator,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._http = http
        self._authenticator = authenticator
        self._monotonic = monotonic
        self._jitter = jitter
        self._lock = Lock()
        self._held: _Held | None = None
        self._closed = False

    def value(self) -> SecretValue:
        """A token that is valid as far as is known here. Raises Unavailable when none can be had."""
        held = self._held
        now = self._monotonic()
        if held is None or (held.expires is not None and now >= held.expires):
            return self._login_once(held)
        if held.renew_at is not None and now >= held.renew_at and self._lock.acquire(blocking=False):
            try:
                if self._held is held:
                    self._renew(held)
            finally:
                self._lock.release()
        current = self._held
        return current.token.value if current else self._login_once(None)

    def maintain(self) -> None:
        """Renew if it is time to; for a process that may be idle for longer than its token lives."""
        if self._held is not None:
            self.value()

    def expired(self, value: SecretValue) -> bool:
        """Whether a token that was just refused is dead; then the next `value()` logs in again.

        The authority says "permission denied" both for a dead token and for a path outside the policy; it is asked
        which of the two, at most every half minute.
        """
        with self._lock:
            held = self._held
            if held is None or held.token.value != value:
                return True  # somebody has replaced it already
            if self._monotonic() < held.vouched_until:
                return False
            answer = self._http.request("GET", "auth/token/lookup-self", token=value, kind="lookup")
            if answer.status == 403:
                self._held = None
                return True
            held.vouched_until = self._monotonic() + _VOUCHED
            return False

    def close(self) -> None:
        """Revoke the token if we logged it in, and hand out none any more. Raises nothing: it expires anyway."""
        with self._lock:
            held, self._held, self._closed = self._held, None, True
        if held is None or not held.token.owned:
            return
        try:
            self._http.request("POST", "auth/token/revoke-self", token=held.token.value, body={}, kind="revoke")
        except Unavailable:
            return  # nobody there to revoke it: its lease ends it

    def _login_once(self, seen: _Held | None) -> SecretValue:
        with self._lock:
            if self._closed:
                raise Unavailable(DEPENDENCY, "this process is stopping and uses the authority no more")
            if self._held is None or self._held is seen:
                self._held = None
                token = self._authenticator.login()
                self._held = self._hold(token, token.lease)
            return self._held.token.value

    def _renew(self, held: _Held) -> None:
        if not held.token.renewable:
            self._replace(held)
            return
        try:
            answer = self._http.request("POST", "auth/token/renew-self", token=held.token.value, body={}, kind="renew")
        except Unavailable:
            held.renew_at = self._monotonic() + _RETRY_RENEWAL
            return  # the token is still good; whatever it is needed for will say that nobody is there
        if answer.status >= 500 or answer.status == 429:
            held.renew_at = self._monotonic() + (answer.retry_after or _RETRY_RENEWAL)
            return
        token = granted(answer)
        if token is None or token.lease < held.first_lease * _WORN:
            self._replace(held)
        else:
            renewed = Token(held.token.value, token.lease, token.renewable, held.token.owned)
            self._held = self._hold(renewed, held.first_lease)

    def _replace(self, held: _Held) -> None:
        """Log in anew. A token that was given to us cannot be replaced: it is used to its end."""
        if not held.token.owned:
            held.renew_at = None
            return
        try:
            token = self._authenticator.login()
        except Unavailable:
            held.renew_at = self._monotonic() + _RETRY_RENEWAL
            return  # as above: the old token lives on until its lease ends
        self._held = self._hold(token, token.lease)

    def _hold(self, token: Token, first_lease: float) -> _Held:
        if token.lease <= 0:
            return _Held(token, 0.0, None, None)
        now = self._monotonic()
        renew_at = now + token.lease * (RENEW_AT - _JITTER * self._jitter())
        return _Held(token, first_lease, now + token.lease, renew_at)
