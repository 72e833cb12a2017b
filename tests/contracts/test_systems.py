"""One suite for `System`: the fake and each type of target, with its real server, do the same."""

import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from functions._failures import Reject, Unavailable
from functions._systems import AdminRefused, System
from tests.contracts.systems import (
    Bench,
    FakeBench,
    PostgresBench,
    RealBench,
    RedisBench,
    credential,
)

REAL = [pytest.param(name, marks=pytest.mark.e2e) for name in ("postgres", "redis", "valkey")]
_SERVERS = {
    "postgres": ("postgres", PostgresBench),
    "redis": ("redis_server", RedisBench),
    "valkey": ("valkey_server", RedisBench),
}
PRINTABLE = "".join(one for one in string.printable if one.isprintable())


def made(kind: str, request: pytest.FixtureRequest) -> Bench:
    if kind == "fake":
        return FakeBench()
    server, bench = _SERVERS[kind]
    opened: Bench = bench(request.getfixturevalue(server))
    return opened


@pytest.fixture(params=["fake", *REAL])
def bench(request: pytest.FixtureRequest) -> Bench:
    return made(request.param, request)


@pytest.fixture(params=REAL)
def real(request: pytest.FixtureRequest) -> RealBench:
    found = made(request.param, request)
    assert isinstance(found, RealBench)
    return found


@pytest.fixture(params=["fake", *REAL])
def own(request: pytest.FixtureRequest) -> Bench:
    """One whose server may be stopped."""
    if request.param == "postgres":
        return PostgresBench(request.getfixturevalue("own_postgres"))
    if request.param in ("redis", "valkey"):
        return RedisBench(request.getfixturevalue(f"start_{request.param}")())
    return FakeBench()


# --- what a credential opens -----------------------------------------------------------------------------------------


def test_accepts_is_a_login_with_the_credential_itself(bench: Bench) -> None:
    account = bench.account("first")
    assert bench.system.accepts(credential(account, "first"))
    assert not bench.system.accepts(credential(account, "other"))
    assert not bench.system.accepts(credential(bench.account(), "first"))


def test_apply_replaces_the_password_and_may_be_repeated(bench: Bench) -> None:
    account = bench.account("first")
    for _ in range(2):
        bench.system.apply(credential(account, "second"), "a1")
        assert bench.lets_in(account, "second")
        assert not bench.lets_in(account, "first")


@pytest.mark.parametrize("kind", ["fake", pytest.param("redis", marks=pytest.mark.e2e)])
def test_dual_keeps_the_old_password_until_it_is_revoked(kind: str, request: pytest.FixtureRequest) -> None:
    bench = made(kind, request)
    assert "dual" in bench.system.strategies
    account = bench.account("first")
    old, new = credential(account, "first"), credential(account, "second")
    for _ in range(2):
        bench.system.apply(new, "a1", keep=old)
        assert bench.lets_in(account, "first")
        assert bench.lets_in(account, "second")
    for _ in range(2):
        bench.system.revoke(old, successor=new)
        assert not bench.system.accepts(old)
        assert bench.system.accepts(new)


def test_alternating_accounts(bench: Bench) -> None:
    first, second = bench.account("one"), bench.account()
    bench.system.apply(credential(second, "two"), "a1")
    assert bench.lets_in(first, "one")
    for _ in range(2):
        bench.system.revoke(credential(first, "one"), successor=credential(second, "two"))
        assert not bench.lets_in(first, "one")
        assert bench.lets_in(second, "two")
    bench.system.apply(credential(first, "three"), "a2")  # its turn again, whatever the revocation did to it
    assert bench.lets_in(first, "three")
    assert not bench.lets_in(first, "one")


def test_revoke_after_a_replacement_leaves_the_successor(bench: Bench) -> None:
    account = bench.account("first")
    old, new = credential(account, "first"), credential(account, "second")
    bench.system.apply(new, "a1")
    for _ in range(2):
        bench.system.revoke(old, successor=new)
        assert bench.lets_in(account, "second")
        assert not bench.lets_in(account, "first")


def test_revoke_before_there_is_a_successor(bench: Bench) -> None:
    account = bench.account("first")
    for _ in range(2):
        bench.system.revoke(credential(account, "first"))
        assert not bench.lets_in(account, "first")
    bench.system.apply(credential(account, "second"), "a1")
    assert bench.lets_in(account, "second")


class _NotYetError(Exception):
    """What a change waits for did not happen."""


def _not_yet() -> None:
    raise _NotYetError


def test_a_change_waits_for_what_is_to_be_seen_to_before_it(bench: Bench) -> None:
    account = bench.account("first")
    old, new = credential(account, "first"), credential(account, "second")
    with pytest.raises(_NotYetError):
        bench.system.apply(new, "a1", before=_not_yet)
    with pytest.raises(_NotYetError):
        bench.system.revoke(old, before=_not_yet)
    assert bench.lets_in(account, "first")
    assert not bench.lets_in(account, "second")
    let_in: list[bool] = []
    bench.system.apply(new, "a1", before=lambda: let_in.append(bench.lets_in(account, "first")))
    assert let_in == [True]
    for _ in range(2):  # also where there is nothing left to change
        bench.system.revoke(old, successor=new, before=lambda: let_in.append(bench.lets_in(account, "second")))
    assert let_in == [True] * 3
    assert not bench.lets_in(account, "first")


def test_revoke_of_a_password_that_is_lost_closes_the_account(bench: Bench) -> None:
    account = bench.account("first")
    bench.system.revoke(credential(account, None), successor=credential(bench.account("other"), "other"))
    assert not bench.lets_in(account, "first")


def test_revoke_of_a_lost_password_leaves_the_successor_in_the_account(bench: Bench) -> None:
    account = bench.account("first")
    bench.system.apply(credential(account, "second"), "a1")
    bench.system.revoke(credential(account, None), successor=credential(account, "second"))
    assert bench.lets_in(account, "second")
    assert not bench.lets_in(account, "first")


def test_a_revocation_that_comes_late_leaves_newer_passwords_alone(real: RealBench) -> None:
    first, second = real.account("one"), real.account("two")
    real.system.apply(credential(first, "three"), "a1")
    real.system.revoke(credential(first, "one"), successor=credential(second, "two"))
    assert real.lets_in(first, "three")


def test_an_old_password_that_somebody_set_again_is_replaced_by_the_successor(real: RealBench) -> None:
    account = real.account("old")
    real.system.revoke(credential(account, "old"), successor=credential(account, "new"))
    if "dual" not in real.system.strategies:  # else nobody could have the new one without its being added
        assert real.lets_in(account, "new")
    assert not real.lets_in(account, "old")


# --- sessions --------------------------------------------------------------------------------------------------------


def test_revoke_ends_the_sessions_of_the_old_account_alone(real: RealBench) -> None:
    first, second = real.account("one"), real.account("two")
    with real.session(first, "one") as old, real.session(first, "one") as older, real.session(second, "two") as new:
        assert old() and older() and new()  # noqa: PT018  one look
        real.system.revoke(credential(first, "one"), successor=credential(second, "two"))
        assert not old()
        assert not older()
        assert new()


def test_revoke_ends_sessions_that_outlived_their_password(real: RealBench) -> None:
    account = real.account("first")
    with real.session(account, "first") as old:
        real.system.apply(credential(account, "second"), "a1")
        assert old()
        real.system.revoke(credential(account, "first"), successor=credential(account, "second"))
        assert not old()
    with real.session(account, "second") as new:
        assert new()


def test_usage_tells_of_sessions_of_the_account_that_takes_over(real: RealBench) -> None:
    first, second = real.account("one"), real.account()
    began = datetime.now(UTC) - timedelta(seconds=5)
    real.system.apply(credential(second, "two"), "a1")
    assert real.system.usage(credential(second, "two")).sessions == 0
    with real.session(second, "two") as new, real.session(second, "two"):
        assert new()
        seen = real.system.usage(credential(second, "two"))
        assert seen.known
        assert seen.sessions == 2
        assert seen.last is not None
        assert began < seen.last < datetime.now(UTC) + timedelta(seconds=5)
    assert real.system.usage(credential(first, "one")).sessions == 0


# --- who may not, and what is not there ------------------------------------------------------------------------------


def operations(system: System, account: str) -> list[Callable[[], object]]:
    """All that need an admin."""
    return [
        lambda: system.apply(credential(account, "new"), "a1"),
        lambda: system.revoke(credential(account, "old")),
        lambda: system.usage(credential(account, "old")),
    ]


def test_a_wrong_admin_credential(real: RealBench) -> None:
    account = real.account("old")
    name, _ = real.right_admin
    for wrong in ((name, "wrong"), ("nobody-of-that-name", "wrong")):
        system = real.opened(lambda wrong=wrong: wrong)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        for operation in operations(system, account):
            with pytest.raises(AdminRefused, match=r"spec\.admin"):
                operation()
        assert [finding.blocks for finding in system.examine((account,))] == [True]
    assert real.lets_in(account, "old")


def test_an_admin_without_the_right_to_do_it(real: RealBench) -> None:
    account, weak = real.account("old"), real.account("weak")
    with pytest.raises(AdminRefused, match=r"docs/targets/"):
        real.opened(lambda: (weak, "weak")).apply(credential(account, "new"), "a1")
    assert real.lets_in(account, "old")


def test_an_admin_credential_that_was_rotated_meanwhile_is_read_once_more(real: RealBench) -> None:
    account = real.account("old")
    name, right = real.right_admin
    reads: list[str] = []

    def admin() -> tuple[str, str]:
        reads.append("stale" if not reads else right)
        return name, reads[-1]

    real.opened(admin).apply(credential(account, "new"), "a1")
    assert reads == ["stale", right]
    assert real.lets_in(account, "new")


def test_the_admin_is_not_rotated_by_itself(real: RealBench) -> None:
    name, right = real.right_admin
    with pytest.raises(Reject, match="admin of target 'orders' itself"):
        real.system.apply(credential(name, "new"), "a1")
    assert real.lets_in(name, right)


def test_an_account_that_the_manifest_lets_nobody_change(real: RealBench) -> None:
    account = real.account("old", name=f"not-ours-{real.account()}")
    for operation in operations(real.system, account):
        with pytest.raises(Reject, match=r"spec\.allow"):
            operation()
    assert [finding.blocks for finding in real.system.examine((account,))] == [True]
    assert real.lets_in(account, "old")


def test_an_account_that_does_not_exist(real: RealBench) -> None:
    assert not real.system.accepts(credential("ghost", "any"))
    with pytest.raises(Reject, match="create it"):
        real.system.apply(credential("ghost", "any"), "a1")
    (found,) = (one for one in real.system.examine(("ghost",)) if one.blocks)
    assert "'ghost'" in found.text
    assert not real.lets_in("ghost", "any")


def test_nothing_is_minted(real: RealBench) -> None:
    with pytest.raises(Reject, match="strategy"):
        real.system.mint(real.account(), "a1")
    real.system.discard(real.account(), "a1")


def test_examine_finds_nothing_in_the_way_and_changes_nothing(real: RealBench) -> None:
    first, second = real.account("one"), real.account()
    assert real.system.examine((first, second)) == ()
    assert real.lets_in(first, "one")


# --- servers that go away --------------------------------------------------------------------------------------------


Operation = Callable[[], object]


def test_a_server_that_is_down_is_unavailable_and_refuses_nobody(own: Bench) -> None:
    account = own.account("old")
    own.down()
    login: Operation = lambda: own.system.accepts(credential(account, "old"))  # noqa: E731  one of several
    for operation in (*operations(own.system, account), login):
        with pytest.raises(Unavailable):
            operation()
    own.up()
    assert own.system.accepts(credential(account, "old"))
    own.system.apply(credential(account, "new"), "a1")
    assert own.lets_in(account, "new")


def test_what_was_done_outlives_a_restart(own: Bench) -> None:
    first, second = own.account("one"), own.account()
    own.system.apply(credential(second, "two"), "a1")
    own.system.revoke(credential(first, "one"), successor=credential(second, "two"))
    own.down()
    own.up()
    assert own.system.accepts(credential(second, "two"))
    assert not own.system.accepts(credential(first, "one"))


# --- values and names that break naive clients -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        PRINTABLE,
        "'; DROP ROLE postgres; --",
        'a"b\\c`d$e%s{}',
        "pässwörd-ﬁ\u00a0\u00ad-日本",
        "x" * 900,
        ">nopass",
        "\u2168",
    ],
)
def test_every_password_works_as_it_is(bench: Bench, password: str) -> None:
    account = bench.account("old")
    bench.system.apply(credential(account, password), "a1")
    assert bench.system.accepts(credential(account, password))
    assert bench.lets_in(account, password)
    bench.system.revoke(credential(account, password))
    assert not bench.lets_in(account, password)


@pytest.mark.parametrize(
    "name",
    ['q";DROP/**/ROLE/**/"x', "it's", "back\\slash", "%s{0}", "Ünï-Ωλ", "-rule", "#hash", "~*", "a,b=c", "$$x$$"],
)
def test_names_are_names(real: RealBench, name: str) -> None:
    account = real.account("old", name)
    neighbour = real.account("safe")
    real.system.apply(credential(account, "new"), "a1")
    assert real.lets_in(account, "new")
    assert [one for one in real.system.examine((account,)) if one.blocks] == []
    real.system.revoke(credential(account, "new"))
    assert not real.lets_in(account, "new")
    assert real.lets_in(neighbour, "safe")


@pytest.mark.parametrize("name", ["two words", "zero\0byte", "x" * 64, "+@all ~*"])
def test_names_that_no_account_has(real: RealBench, name: str) -> None:
    with pytest.raises(Reject):
        real.system.apply(credential(name, "new"), "a1")


def test_an_empty_password_is_no_password(real: RealBench) -> None:
    account = real.account("old")
    with pytest.raises(Reject, match="empty"):
        real.system.apply(credential(account, ""), "a1")
    assert real.lets_in(account, "old")
