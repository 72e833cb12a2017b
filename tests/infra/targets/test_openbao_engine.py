"""Targets in OpenBao's database engine: what outlives a step, what is bound to a role, and what fails how."""

from collections.abc import Callable

import pytest

from functions._capability import Capability
from functions._failures import Reject, Unavailable
from functions._systems import AdminRefused, Credential
from functions._values import SecretValue
from infra.deploy.vault_policies import policy_text
from infra.targets.openbao_engine import below
from tests.contracts.minting import DynamicBench, EngineBench, StaticBench, opened
from tests.contracts.systems import manifest
from tests.database_engine import DatabaseEngine, make_engine
from tests.openbao import OpenBao
from tests.postgres import Postgres

pytestmark = pytest.mark.e2e
FIRST, SECOND = "a" * 32, "b" * 32


class RootBench(EngineBench):
    kind = "openbao-root"

    def account(self) -> str:
        return self.engine.connection

    def held(self, password: str | None = None) -> Credential:
        """What somebody wrote down of the engine's own account."""
        text = {"username": self.engine.root, "password": password or self.engine.root_password}
        return Credential(self.engine.connection, {name: SecretValue.of(value) for name, value in text.items()})


@pytest.fixture
def broken(openbao: OpenBao, own_postgres: Postgres) -> DatabaseEngine:
    """An engine whose database may be stopped."""
    return make_engine(openbao, own_postgres)


# --- dynamic ---------------------------------------------------------------------------------------------------------


def test_a_credential_outlives_the_step_that_asked_for_it(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    step = bench.calls(Capability.SYSTEM_APPLY, Capability.SYSTEM_LOGIN)
    new = opened(bench.target, calls=step).mint(bench.account(), FIRST)
    step.close()  # type: ignore[attr-defined]  # a VaultClient, which revokes its token, and so what it leased
    assert bench.works(new)
    assert bench.system.accepts(new)


@pytest.mark.parametrize(
    "capabilities",
    [(Capability.SYSTEM_APPLY,), (Capability.SYSTEM_REVOKE,), (Capability.SYSTEM_LOGIN,), (Capability.LEASE_RENEW,)],
)
def test_each_step_may_do_its_own_part_and_no_other(
    database_engine: DatabaseEngine, capabilities: tuple[Capability, ...]
) -> None:
    bench = DynamicBench(database_engine, login=False)
    account = bench.account()
    new = bench.system.mint(account, FIRST)
    other = bench.in_steps(*capabilities)
    may = capabilities[0]
    for call, needs in (
        (lambda: other.mint(account, SECOND), Capability.SYSTEM_APPLY),
        (lambda: other.revoke(new), Capability.SYSTEM_REVOKE),
    ):
        if may is needs:
            call()
        else:
            with pytest.raises(AdminRefused, match=r"docs/targets/openbao-dynamic\.md"):
                call()


def test_nobody_else_s_lease_is_revoked(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    mine, theirs = bench.account(), bench.account()
    stolen = bench.system.mint(theirs, FIRST)
    for lease in (stolen.id, "database/creds/other/x", f"{database_engine.mount}/creds/{mine}/../{theirs}/x"):
        with pytest.raises(Reject):
            bench.system.revoke(Credential(mine, stolen.fields, lease))
    assert bench.works(stolen)


def test_whose_a_lease_is_cannot_be_told_so_none_is_searched_for(database_engine: DatabaseEngine) -> None:
    """Why what a crash lost is left to end by itself (docs/targets/openbao-dynamic.md, limits)."""
    bench = DynamicBench(database_engine)
    role = bench.account()
    lost, (theirs, _, _) = bench.system.mint(role, FIRST), database_engine.lease(role)
    admin, place = database_engine.admin, f"sys/leases/lookup/{database_engine.mount}/creds/{role}/"
    told = [
        admin.call("POST", "sys/leases/lookup", body={"lease_id": one}, kind="test").body["data"]
        for one in (lost.id, theirs)
    ]
    assert {key for one in told for key in one} == {
        "id", "path", "issue_time", "expire_time", "last_renewal", "renewable", "ttl"
    }  # fmt: skip
    assert told[0]["path"] == told[1]["path"]
    for verbs, status in ((["list"], 403), (["list", "read"], 403), (["list", "sudo"], 200)):
        rules = {"auth/token/lookup-self": {"read"}, place: set(verbs), f"{place}*": set(verbs)}
        client = database_engine.openbao.with_token(database_engine.openbao.token(policy_text("a lister", rules)))
        assert client.call("LIST", place, kind="test", any_ok=True).status == status
    for capability in (Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE, Capability.LEASE_READ):
        assert bench.calls(capability).call("LIST", place, kind="test", any_ok=True).status == 403
    bench.system.discard(role, FIRST)
    assert bench.works(lost)


def test_what_was_there_before_is_no_lease(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    person = database_engine.postgres.role(password="by-hand", managed=False)
    fields = {"username": SecretValue.of(person), "password": SecretValue.of("by-hand")}
    with pytest.raises(Reject, match="by hand"):
        bench.system.revoke(Credential("orders", fields))
    database_engine.postgres.run("ALTER ROLE {name} NOLOGIN", name=person)
    bench.system.revoke(Credential("orders", fields))
    with pytest.raises(Reject, match=r"parameters\.login"):
        DynamicBench(database_engine, login=False).system.revoke(Credential("orders", fields))


def test_an_account_that_owns_something_is_said_to_live(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    new = bench.system.mint(bench.account(), FIRST)
    username = new.fields["username"].reveal().decode()
    run = database_engine.postgres.run
    run("CREATE TABLE {table} ()", table=f"of-{username}"[:63])
    run("ALTER TABLE {table} OWNER TO {owner}", table=f"of-{username}"[:63], owner=username)
    with pytest.raises(Unavailable, match="revocation_statements") as stuck:
        bench.system.revoke(new)
    assert stuck.value.dependency == "orders"
    run("DROP TABLE {table}", table=f"of-{username}"[:63])
    bench.system.revoke(new)
    assert not bench.works(new)


@pytest.mark.parametrize("wrong", [{"orphan": False}, {"token_explicit_max_ttl": "1h"}])
def test_a_token_role_that_would_end_leases_early_is_refused(
    database_engine: DatabaseEngine, wrong: dict[str, object]
) -> None:
    bench = DynamicBench(database_engine)
    where = f"auth/token/roles/{database_engine.token_role}"
    database_engine.admin.call(
        "POST", where, body={"allowed_policies": [database_engine.token_role], **wrong}, kind="t"
    )
    with pytest.raises(Reject, match="have to be orphans"):
        bench.system.mint(bench.account(), FIRST)


def test_there_is_no_token_role(database_engine: DatabaseEngine) -> None:
    bench = DynamicBench(database_engine)
    database_engine.admin.call("DELETE", f"auth/token/roles/{database_engine.token_role}", kind="test")
    with pytest.raises(Reject, match="no token role"):
        bench.system.mint(bench.account(), FIRST)


# --- static ----------------------------------------------------------------------------------------------------------


def test_a_password_that_openbao_made_by_itself_reaches_consumers(database_engine: DatabaseEngine) -> None:
    bench = StaticBench(database_engine)
    account = bench.account()
    old = bench.current(account)
    database_engine.admin.call("POST", f"{database_engine.mount}/rotate-role/{account}", body={}, kind="test")
    there = database_engine.static_password(account)
    assert bench.system.mint(account, FIRST, keep=old).fields["password"] == there
    assert database_engine.static_password(account) == there


def test_the_first_password_of_a_path_is_the_one_that_there_is(database_engine: DatabaseEngine) -> None:
    bench = StaticBench(database_engine)
    account = bench.account()
    there = database_engine.static_password(account)
    assert bench.system.mint(account, FIRST).fields["password"] == there


def test_a_user_of_another_name_is_named(database_engine: DatabaseEngine) -> None:
    user = database_engine.postgres.role(managed=False)
    body = {"db_name": database_engine.connection, "username": user, "rotation_period": "720h"}
    role = f"for-{user}"
    database_engine.admin.call("POST", f"{database_engine.mount}/static-roles/{role}", body=body, kind="test")
    with pytest.raises(Reject, match=r"parameters\.usernames"):
        StaticBench(database_engine).system.mint(role, FIRST)
    named = StaticBench(database_engine, usernames={role: user})
    assert named.system.public_fields(role) == {"username": user}
    assert named.works(named.system.mint(role, FIRST))


# --- root ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", [True, False])
def test_afterwards_openbao_alone_knows_the_password(openbao: OpenBao, postgres: Postgres, login: bool) -> None:
    engine = make_engine(openbao, postgres)
    bench = RootBench(engine, login=login, usernames={"orders": engine.root})
    old = bench.held()
    assert bench.works(old)
    new = bench.system.mint(engine.connection, FIRST, keep=old)
    assert not bench.works(old)
    assert new.fields["password"].reveal().decode().startswith("known to OpenBao alone since rotation aaaa")
    assert not bench.system.accepts(new)
    bench.system.revoke(old, successor=new)
    assert engine.lease(engine.dynamic_role())  # the engine goes on working
    again = bench.system.mint(engine.connection, SECOND, keep=new)
    assert again.fields != new.fields
    assert engine.lease(engine.dynamic_role())


def test_a_retry_rotates_no_second_time(openbao: OpenBao, postgres: Postgres) -> None:
    engine = make_engine(openbao, postgres)
    bench = RootBench(engine, usernames={"orders": engine.root})
    bench.system.mint(engine.connection, FIRST, keep=bench.held())
    openbao.calls.clear()
    postgres.run("SELECT pg_stat_reset()")
    verifier = postgres.run("SELECT rolpassword FROM pg_authid WHERE rolname = %s", engine.root)
    bench.system.mint(engine.connection, FIRST, keep=bench.held())
    assert postgres.run("SELECT rolpassword FROM pg_authid WHERE rolname = %s", engine.root) == verifier


def test_an_old_root_password_that_works_again_is_told(openbao: OpenBao, postgres: Postgres) -> None:
    engine = make_engine(openbao, postgres)
    bench = RootBench(engine, usernames={"orders": engine.root})
    with pytest.raises(Unavailable, match="accepted still"):
        bench.system.revoke(bench.held())


# --- failures --------------------------------------------------------------------------------------------------------

Make = Callable[[DatabaseEngine], EngineBench]


@pytest.mark.parametrize("make", [DynamicBench, StaticBench])
def test_a_database_that_is_down_is_waited_for(broken: DatabaseEngine, make: Make) -> None:
    bench = make(broken)
    account = bench.account()
    old = bench.current(account)
    assert old is not None
    broken.postgres.stop()
    for call in (lambda: bench.system.mint(account, FIRST, keep=old), lambda: bench.system.accepts(old)):
        with pytest.raises(Unavailable) as down:
            call()
        assert down.value.dependency == "orders"
        assert old.fields["password"].reveal().decode() not in down.value.reason
    broken.postgres.start()
    new = bench.system.mint(account, FIRST, keep=old)
    assert bench.works(new)
    assert bench.system.accepts(new)


def test_a_step_without_the_rules_is_refused_and_shown_what_it_lacks(database_engine: DatabaseEngine) -> None:
    bench = StaticBench(database_engine)
    account = bench.account()
    poor = opened(bench.target, calls=bench.calls(Capability.SYSTEM_LOGIN))
    with pytest.raises(AdminRefused, match="permission denied"):
        poor.mint(account, FIRST)
    findings = poor.examine((account,))
    assert {finding.blocks for finding in findings} == {True}
    assert any("rotate-role" in finding.text for finding in findings)


def test_a_host_without_the_authority() -> None:
    system = opened(manifest("openbao-static", login={"type": "postgres", "parameters": {"host": "127.0.0.1"}}))
    with pytest.raises(Reject, match="does not let them"):
        system.mint("orders", FIRST)


def test_a_mount_that_there_is_not(openbao: OpenBao) -> None:
    system = opened(manifest("openbao-static", mount="nowhere"), calls=openbao.admin())
    with pytest.raises(Reject, match="mounted"):
        system.mint("orders", FIRST)


def test_patterns_of_accounts() -> None:
    assert list(below("a/", ["x", "y-*", "z?", "[ab]"])) == ["a/x", "a/y-*", "a/z*", "a/*"]
    assert list(below("a/", ["x", "y-*"], "/*")) == ["a/x/*", "a/y-*"]
