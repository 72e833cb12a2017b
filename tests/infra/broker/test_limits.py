"""Rates and pending events per principal."""

import pytest

from infra.broker.errors import RefusedError
from infra.broker.limits import Accounts, Limit, Limits
from infra.broker.principal import Principal

A, B = Principal("source", "a"), Principal("token", "b")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(accounts: Accounts, principal: Principal, events: int = 1) -> RefusedError | None:
    try:
        accounts.reserve(principal, events)
    except RefusedError as error:
        return error
    return None


def test_bursts_then_the_rate() -> None:
    time = Time()
    accounts = Accounts(Limits(Limit(rate=2.0, burst=3, pending=100)), time)
    assert [refused(accounts, A) is None for _ in range(4)] == [True, True, True, False]
    error = refused(accounts, A)
    assert error is not None
    assert (error.status, error.retry_after) == (503, 1)
    assert refused(accounts, B) is None, "another principal has its own bucket"
    time.now = 0.5
    assert [refused(accounts, A) is None for _ in range(2)] == [True, False]


def test_a_batch_larger_than_the_burst_goes_into_debt() -> None:
    time = Time()
    accounts = Accounts(Limits(Limit(rate=1.0, burst=2, pending=100)), time)
    assert refused(accounts, A, 10) is None
    time.now = 8.0
    assert refused(accounts, A) is not None
    time.now = 9.0
    assert refused(accounts, A) is None


def test_pending_per_principal_and_in_total() -> None:
    limits = Limits(Limit(pending=2), {"token": Limit(pending=5)}, total=4)
    accounts = Accounts(limits)
    assert [refused(accounts, A) is None for _ in range(3)] == [True, True, False]
    assert [refused(accounts, B) is None for _ in range(3)] == [True, True, False]
    accounts.release(str(A))
    assert accounts.pending == 3
    assert refused(accounts, A) is None


def test_replies_are_counted_and_never_refused() -> None:
    accounts = Accounts(Limits(Limit(pending=1), total=1))
    accounts.count(Principal("step", "x"), 5)
    assert accounts.pending == 5
    with pytest.raises(RefusedError):
        accounts.reserve(A, 1)
