"""How fast, and how far ahead of the subscribers, one principal may send."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from threading import Lock

from infra.broker.errors import RefusedError
from infra.broker.principal import Principal

# 503 and not 429: some senders (Alertmanager) take any 4xx as final and would lose the event.
_SHED = 503


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` events per second with bursts of `burst`, and `pending` events not yet through all their Triggers."""

    rate: float = 2000.0
    burst: int = 4000
    pending: int = 20_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits by `str(principal)`, then by kind, then the default; `total` pending events of all senders together."""

    default: Limit = Limit()
    by_principal: Mapping[str, Limit] = field(default_factory=dict)
    total: int = 100_000

    def of(self, principal: Principal) -> Limit:
        return self.by_principal.get(str(principal)) or self.by_principal.get(principal.kind) or self.default


class _Account:
    __slots__ = ("limit", "pending", "refilled", "tokens")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit, self.tokens, self.refilled, self.pending = limit, float(limit.burst), now, 0


class Accounts:
    """The running balance of every principal. Steps' replies are counted but never refused: that would deadlock."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._accounts: dict[str, _Account] = {}
        self._total = 0
        self._lock = Lock()

    @property
    def pending(self) -> int:
        return self._total

    def reserve(self, principal: Principal, events: int) -> None:
        """Count `events` as pending. Raises RefusedError (503, with when to come again) beyond a limit."""
        with self._lock:
            account = self._account(principal)
            self._check(principal, account, events)
            account.tokens -= events
            self._add(account, events)

    def count(self, principal: Principal, events: int) -> None:
        """Count `events` as pending without asking."""
        with self._lock:
            self._add(self._account(principal), events)

    def release(self, principal: str, events: int = 1) -> None:
        """`events` of this principal are through."""
        with self._lock:
            account = self._accounts.get(principal)
            if account is not None:
                self._add(account, -events)
                if account.pending <= 0 and account.tokens >= account.limit.burst:
                    del self._accounts[principal]

    def _add(self, account: _Account, events: int) -> None:
        account.pending += events
        self._total += events

    def _account(self, principal: Principal) -> _Account:
        name = str(principal)
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account(self._limits.of(principal), self._monotonic())
        return account

    def _check(self, principal: Principal, account: _Account, events: int) -> None:
        limit, now = account.limit, self._monotonic()
        account.tokens = min(float(limit.burst), account.tokens + (now - account.refilled) * limit.rate)
        account.refilled = now
        if account.pending + events > limit.pending:
            raise RefusedError(_SHED, f"{principal} has {account.pending} events pending, the most it may", 5)
        if self._total + events > self._limits.total:
            raise RefusedError(_SHED, f"{self._total} events are pending, the most the broker takes", 5)
        needed = min(events, limit.burst)  # a batch larger than the burst goes into debt, or it never could
        if account.tokens < needed:
            wait = (needed - account.tokens) / limit.rate
            raise RefusedError(
                _SHED, f"{principal} sends more than {limit.rate:g} events per second", max(1, ceil(wait))
            )
