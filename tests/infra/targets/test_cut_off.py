"""The connection to a server is cut after each message of an operation: what was begun is finished by repeating it."""

from collections.abc import Callable

import pytest

from functions._failures import Unavailable
from functions._systems import System
from tests.contracts.systems import PostgresBench, RealBench, RedisBench, credential
from tests.relay import Relay, relaying

pytestmark = pytest.mark.e2e
_MOST = 60  # messages of one operation


@pytest.fixture(params=["postgres", "redis"])
def bench(request: pytest.FixtureRequest) -> RealBench:
    if request.param == "postgres":
        return PostgresBench(request.getfixturevalue("postgres"))
    return RedisBench(request.getfixturevalue("redis_server"))


def cut_everywhere(relay: Relay, operation: Callable[[], object], after: Callable[[], None]) -> int:
    """Try with 0, 1, 2, … messages until it gets through; how many times it did not."""
    for allowed in range(_MOST):
        relay.left = allowed
        try:
            operation()
        except Unavailable:
            after()
        else:
            return allowed
    raise AssertionError(f"it never gets through with {_MOST} messages")


def through(bench: RealBench, relay: Relay) -> System:
    return bench.opened(lambda: bench.right_admin, port=relay.port)


def test_apply(bench: RealBench) -> None:
    account = bench.account("old")

    def somebody_gets_in() -> None:
        assert bench.lets_in(account, "old") or bench.lets_in(account, "new")

    with relaying(bench.server_port) as relay:
        system = through(bench, relay)
        cuts = cut_everywhere(relay, lambda: system.apply(credential(account, "new"), "a1"), somebody_gets_in)
    assert cuts >= 3
    assert bench.lets_in(account, "new")
    assert not bench.lets_in(account, "old")


def test_accepts(bench: RealBench) -> None:
    account = bench.account("old")
    with relaying(bench.server_port) as relay:
        system = through(bench, relay)
        assert cut_everywhere(relay, lambda: system.accepts(credential(account, "old")), lambda: None) >= 1
        relay.left = _MOST
        assert system.accepts(credential(account, "old"))
        assert not system.accepts(credential(account, "other"))


def test_revoke_alternating(bench: RealBench) -> None:
    first, second = bench.account("one"), bench.account("two")

    def successor_gets_in() -> None:
        assert bench.lets_in(second, "two")

    with relaying(bench.server_port) as relay, bench.session(first, "one") as old, bench.session(second, "two") as new:
        system = through(bench, relay)
        revoke = lambda: system.revoke(credential(first, "one"), successor=credential(second, "two"))  # noqa: E731  two lines less
        assert cut_everywhere(relay, revoke, successor_gets_in) >= 3
        assert not old()
        assert new()
    assert not bench.lets_in(first, "one")


def test_revoke_of_a_replaced_password(bench: RealBench) -> None:
    account = bench.account("old")
    with relaying(bench.server_port) as relay, bench.session(account, "old") as old:
        bench.system.apply(credential(account, "new"), "a1")
        system = through(bench, relay)
        revoke = lambda: system.revoke(credential(account, "old"), successor=credential(account, "new"))  # noqa: E731  two lines less
        assert cut_everywhere(relay, revoke, lambda: None) >= 3
        assert not old()
    assert bench.lets_in(account, "new")


def test_examine_tells(bench: RealBench) -> None:
    account = bench.account("old")
    with relaying(bench.server_port) as relay:
        system = through(bench, relay)
        cuts = 0
        while found := system.examine((account,)):
            assert all(one.blocks for one in found)
            cuts += 1
            assert cuts < _MOST
            relay.left = cuts
    assert cuts >= 3
