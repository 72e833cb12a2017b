"""What is rendered into the steps' policies for OpenBao's engine is what a target needs: all of it, and no more."""

from collections.abc import Callable

import pytest

from functions._capability import Capability
from functions._failures import StepFailure, Unavailable
from functions._systems import AdminRefused, Credential, System
from infra.stores.vault.client import VaultClient
from infra.stores.vault.leases import VaultLeases
from tests.contracts.minting import DynamicBench, EngineBench, StaticBench, opened
from tests.database_engine import DatabaseEngine
from tests.infra.targets.test_openbao_engine import RootBench

pytestmark = pytest.mark.e2e
FIRST, SECOND = "a" * 32, "b" * 32
APPLY, LOGIN, REVOKE = Capability.SYSTEM_APPLY, Capability.SYSTEM_LOGIN, Capability.SYSTEM_REVOKE
Call = Callable[[System], object]


def needs_all(bench: EngineBench, account: str, capability: Capability, call: Call) -> list[str]:
    """That the call is done with the rules of a capability, and refused without any one of them; which they are."""
    rules = bench.rules(capability, accounts=(account,))
    for path in rules:
        lacking = opened(bench.target, calls=bench.calls(capability, accounts=(account,), without=path))
        with pytest.raises(AdminRefused, match=rf"docs/targets/{bench.kind}\.md"):
            call(lacking)
    call(opened(bench.target, calls=bench.calls(capability, accounts=(account,))))
    return sorted(path.removeprefix(f"{bench.engine.mount}/") for path in rules)


@pytest.mark.parametrize("login", [True, False])
def test_static(database_engine: DatabaseEngine, login: bool) -> None:
    bench = StaticBench(database_engine, login=login)
    account = bench.account()
    current = bench.current(account)
    assert current is not None
    both = [f"rotate-role/{account}", f"static-creds/{account}"]
    assert needs_all(bench, account, APPLY, lambda system: system.mint(account, FIRST, keep=current)) == both
    newest = bench.current(account)
    assert newest is not None
    assert needs_all(bench, account, LOGIN, lambda system: system.accepts(newest)) == ([] if login else both[1:])
    assert needs_all(bench, account, REVOKE, lambda system: system.revoke(newest)) == both
    assert not bench.works(newest)


@pytest.mark.parametrize("login", [True, False])
def test_dynamic(database_engine: DatabaseEngine, login: bool) -> None:
    bench = DynamicBench(database_engine, login=login)
    account = bench.account()
    database_engine.allow_minting(account)  # for this role alone, as the page says
    made: list[Credential] = []
    token = f"auth/token/create/{database_engine.token_role}"
    assert needs_all(bench, account, APPLY, lambda system: made.append(system.mint(account, FIRST))) == [
        token, f"roles/{account}"
    ]  # fmt: skip
    look_up, ends = "sys/leases/lookup", f"sys/leases/revoke/{database_engine.mount}/creds/{account}/*"
    assert needs_all(bench, account, LOGIN, lambda system: system.accepts(made[0])) == ([] if login else [look_up])
    owner = made[0].fields["username"].reveal().decode()
    run = database_engine.postgres.run
    run("CREATE TABLE {table} ()", table=f"of-{owner}"[:63])
    run("ALTER TABLE {table} OWNER TO {owner}", table=f"of-{owner}"[:63], owner=owner)

    def held_up(system: System) -> None:
        with pytest.raises(Unavailable, match="revocation_statements"):
            system.revoke(made[0])

    assert needs_all(bench, account, REVOKE, held_up) == [look_up, ends]
    run("DROP TABLE {table}", table=f"of-{owner}"[:63])
    bench.system.revoke(made[0])
    assert not bench.works(made[0])


def test_leases(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    account = bench.account()
    lease = bench.system.mint(account, FIRST).id
    leased: dict[Capability, Callable[[VaultLeases], object]] = {
        Capability.LEASE_READ: lambda leases: leases.read(lease),
        Capability.LEASE_RENEW: lambda leases: leases.renew(lease),
        Capability.LEASE_REVOKE: lambda leases: leases.revoke(lease),
    }
    for capability, call in leased.items():
        for other in {*leased, APPLY, LOGIN} - {capability}:
            with pytest.raises(StepFailure, match="permission denied"):
                call(leases(bench, other, account))
        call(leases(bench, capability, account))


def leases(bench: EngineBench, capability: Capability, account: str) -> VaultLeases:
    step = bench.calls(capability, accounts=(account,))
    assert isinstance(step, VaultClient)
    return VaultLeases(step)


def test_root(database_engine: DatabaseEngine) -> None:
    bench = RootBench(database_engine, usernames={database_engine.connection: database_engine.root})
    connection = database_engine.connection
    held = bench.held()
    assert needs_all(bench, connection, APPLY, lambda system: system.mint(connection, FIRST)) == [
        f"reset/{connection}", f"rotate-root/{connection}"
    ]  # fmt: skip
    assert not bench.works(held)
    assert bench.rules(LOGIN, accounts=(connection,)) == bench.rules(REVOKE, accounts=(connection,)) == {}


@pytest.mark.parametrize("kind", [StaticBench, DynamicBench])
def test_another_role_is_out_of_reach(database_engine: DatabaseEngine, kind: type[EngineBench]) -> None:
    bench = kind(database_engine)
    mine, theirs = bench.account(), bench.account()
    system = opened(bench.target, calls=bench.calls(APPLY, REVOKE, accounts=(mine,)))
    credential = bench.system.mint(theirs, FIRST)
    calls: tuple[Call, ...] = (
        lambda system: system.mint(theirs, SECOND, keep=credential), lambda system: system.revoke(credential)
    )  # fmt: skip
    for call in calls:
        with pytest.raises(AdminRefused, match="permission denied"):
            call(system)
    assert bench.works(credential)
