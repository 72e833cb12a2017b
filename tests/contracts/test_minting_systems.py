"""One suite for `System` where the provider makes the credentials: the fake and each type do the same."""

import pytest

from functions._failures import Reject
from functions._systems import AdminRefused
from tests.contracts.minting import DynamicBench, FakeMinting, IamBench, MintingBench, StaticBench

REAL = ("openbao-dynamic", "openbao-dynamic without login", "openbao-static", "openbao-static without login", "aws-iam")
FIRST, SECOND = "a" * 32, "b" * 32


def made(kind: str, request: pytest.FixtureRequest) -> MintingBench:
    if kind == "fake":
        return FakeMinting()
    if kind == "aws-iam":
        return IamBench(request.getfixturevalue("aws"))
    engine = request.getfixturevalue("database_engine")
    bench_type = DynamicBench if kind.startswith("openbao-dynamic") else StaticBench
    return bench_type(engine, login="without" not in kind)


@pytest.fixture(params=["fake", *(pytest.param(kind, marks=pytest.mark.e2e) for kind in REAL)])
def bench(request: pytest.FixtureRequest) -> MintingBench:
    return made(request.param, request)


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.e2e) for kind in REAL])
def real(request: pytest.FixtureRequest) -> MintingBench:
    """Of a provider; the fake makes an account of every name, and takes what is applied as well."""
    return made(request.param, request)


def test_what_is_made_lets_in_and_the_former_one_still_does(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    new = bench.system.mint(account, FIRST, keep=old)
    assert old is not None
    assert new.account == account
    assert set(bench.system.secret_fields) <= set(new.fields)
    assert new.fields != old.fields
    assert bench.system.accepts(new)
    assert bench.works(new)
    assert bench.system.accepts(old) == bench.works(old) == bench.overlaps


def test_a_retry_leaves_one_new_credential(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    lost = bench.system.mint(account, FIRST, keep=old)
    new = bench.system.mint(account, FIRST, keep=old)
    assert bench.works(new)
    if bench.finds_lost:
        assert lost.fields == new.fields or not bench.works(lost)
    if bench.overlaps:
        assert old is not None
        assert bench.works(old)


def test_discard_ends_what_was_lost_and_nothing_else(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    lost = bench.system.mint(account, FIRST, keep=old)
    for _ in range(2):
        bench.system.discard(account, FIRST, keep=old)
    if bench.finds_lost and bench.overlaps:
        assert not bench.works(lost)
    if bench.overlaps:
        assert old is not None
        assert bench.works(old)


def test_discard_spares_what_was_stored(bench: MintingBench) -> None:
    account = bench.account()
    new = bench.system.mint(account, FIRST, keep=bench.current(account))
    bench.system.discard(account, FIRST, keep=new)
    assert bench.works(new)


def test_revoke_ends_the_old_one_and_may_be_repeated(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    assert old is not None
    new = bench.system.mint(account, FIRST, keep=old)
    for _ in range(2):
        bench.system.revoke(old, successor=new)
        assert not bench.system.accepts(old)
        assert not bench.works(old)
        assert bench.works(new)


def test_what_is_taken_back_lets_nobody_in(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    new = bench.system.mint(account, FIRST, keep=old)
    for _ in range(2):
        bench.system.revoke(new, successor=old)
        assert not bench.system.accepts(new)
        assert not bench.works(new)
    if bench.overlaps:
        assert old is not None
        assert bench.works(old)


def test_several_rotations_one_after_the_other(bench: MintingBench) -> None:
    account = bench.account()
    held = bench.current(account)
    for turn in range(4):
        new = bench.system.mint(account, f"{turn:032x}", keep=held)
        assert held is not None
        assert held.fields != new.fields
        bench.system.revoke(held, successor=new)
        bench.system.discard(account, f"{turn:032x}", keep=new)
        assert bench.works(new)
        assert not bench.works(held)
        held = new


def test_revoked_before_there_is_another(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    assert old is not None
    bench.system.revoke(old)
    assert not bench.works(old)
    new = bench.system.mint(account, FIRST, keep=old)
    assert bench.works(new)
    assert not bench.works(old)


def test_an_account_that_there_is_not(real: MintingBench) -> None:
    with pytest.raises((Reject, AdminRefused), match=real.unknown()):
        real.system.mint(real.unknown(), FIRST)
    findings = real.system.examine((real.unknown(),))
    assert [finding for finding in findings if finding.blocks]


@pytest.mark.parametrize("name", ["../../sys/seal", "a/b", "a?list=true", "a b", "%2e%2e"])
def test_an_account_is_no_path(real: MintingBench, name: str) -> None:
    with pytest.raises((Reject, AdminRefused)):
        real.system.mint(name, FIRST)


def test_examine_finds_nothing_that_blocks_and_changes_nothing(bench: MintingBench) -> None:
    account = bench.account()
    old = bench.current(account)
    assert old is not None
    assert not [finding for finding in bench.system.examine((account,)) if finding.blocks]
    assert bench.works(old)


def test_nothing_is_applied(real: MintingBench) -> None:
    with pytest.raises(Reject, match="minted"):
        real.system.apply(real.system.mint(real.account(), FIRST), SECOND)
