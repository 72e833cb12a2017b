"""What is PostgreSQL's own: verifiers, marks, policies of modules, limits, replicas, servers that ask for nothing."""

import base64
import contextlib
import hashlib
import hmac
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from functions._failures import Reject, Unavailable
from functions._systems import AdminRefused, Before, Finding, Refused
from infra.targets.postgres_admin import Admin, Verifier
from infra.targets.postgres_marks import marked, set_at
from infra.targets.scram import prepared
from tests.contracts.systems import PostgresBench, credential
from tests.postgres import Postgres

pytestmark = pytest.mark.e2e


@pytest.fixture
def bench(postgres: Postgres) -> PostgresBench:
    return PostgresBench(postgres)


@pytest.fixture
def own(own_postgres: Postgres) -> PostgresBench:
    return PostgresBench(own_postgres)


def comment(server: Postgres, role: str) -> str:
    ((text,),) = server.run("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", role)
    return str(text)


def blocking(found: tuple[Finding, ...]) -> list[str]:
    return [one.text for one in found if one.blocks]


def worth(found: tuple[Finding, ...]) -> list[str]:
    return [one.text for one in found if not one.blocks]


def test_the_verifier_has_the_iterations_that_the_server_asks_for(own: PostgresBench) -> None:
    own.server.run("ALTER SYSTEM SET scram_iterations = 7000")
    own.server.run("SELECT pg_reload_conf()")
    role = own.account()
    own.down()
    own.up()
    own.system.apply(credential(role, "new"), "a1")
    assert own.lets_in(role, "new")
    ((stored,),) = own.server.run("SELECT rolpassword FROM pg_authid WHERE rolname = %s", role)
    assert str(stored).startswith("SCRAM-SHA-256$7000:")


@pytest.mark.parametrize(
    "password", ["n\u00e4chster \u2168", "a\u00a0b\u00adc", "\u0627\u0644\u0642", "tab\there", "'; DROP ROLE x; --"]
)
def test_the_server_and_its_clients_prepare_a_password_as_we_do(bench: PostgresBench, password: str) -> None:
    role = bench.account("old")
    bench.system.apply(credential(role, password), "a1")
    assert bench.lets_in(role, password)
    assert bench.system.accepts(credential(role, password))
    assert not bench.system.accepts(credential(role, password + "x"))


TRICKY = [
    "n\u00e4chster",
    "a\u200bb",
    "\u200b",
    "a\u0340b",
    "\u00ad",
    "\u0627a",
    "\ufb01",
    "\u2168\u00a0",
    "\U000e0001x",
    "x\u0378y",
]


@pytest.mark.parametrize("password", TRICKY)
def test_a_verifier_is_of_the_password_that_libpq_would_take(bench: PostgresBench, password: str) -> None:
    raw = password.encode()
    with bench.server.superuser() as connection:
        theirs = connection.pgconn.encrypt_password(raw, b"anybody", b"scram-sha-256").decode()
    count, salt = theirs.split("$")[1].split(":")
    salted = hashlib.pbkdf2_hmac("sha256", prepared(raw), base64.b64decode(salt), int(count))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert base64.b64encode(stored).decode() == theirs.split("$")[2].split(":")[0]


def test_what_is_set_for_the_admin_does_not_stand_over_what_a_session_needs(own: PostgresBench) -> None:
    role = own.account("old")
    server = own.server
    # Whoever may create a schema could put a function or a table there that is found first.
    server.run("CREATE SCHEMA elsewhere")
    server.run("CREATE VIEW elsewhere.pg_roles AS SELECT 1 AS oid, true AS rolcanlogin WHERE false")
    server.run("GRANT USAGE ON SCHEMA elsewhere TO {role}", role=server.admin)
    server.run("GRANT SELECT ON elsewhere.pg_roles TO {role}", role=server.admin)
    server.run("ALTER ROLE {role} SET search_path = elsewhere, pg_catalog", role=server.admin)
    server.run("ALTER ROLE {role} SET statement_timeout = 1", role=server.admin)
    own.system.apply(credential(role, "new"), "a1")
    assert own.lets_in(role, "new")


def test_the_comment_of_a_role_keeps_what_people_wrote(bench: PostgresBench) -> None:
    role = bench.account("old")
    bench.server.run("COMMENT ON ROLE {role} IS 'the shop''s [main] role'", role=role)
    bench.system.apply(credential(role, "new"), "a1")
    first = comment(bench.server, role)
    bench.system.apply(credential(role, "newer"), "a2")
    second = comment(bench.server, role)
    assert first.startswith("the shop's [main] role [lockstep: password set at ")
    assert first.endswith(", rotation a1]")
    assert second.startswith("the shop's [main] role [lockstep: password set at ")
    assert second.endswith(", rotation a2]")
    began, ended = set_at(first), set_at(second)
    assert began is not None
    assert ended is not None
    assert began < ended


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no mark",
        "[lockstep: password set at yesterday, rotation a]",
        "[lockstep: password set at 2026-01-01 00:00:00]",
    ],
)
def test_a_mark_that_says_nothing(text: str) -> None:
    assert set_at(text) is None


def test_a_mark_is_found_again() -> None:
    assert set_at(marked("x", "2026-01-02 03:04:05.678901+05:30", "")) is not None
    assert marked(marked("", "2026-01-02 03:04:05+00", "a"), "2026-01-03 03:04:05+00", "") == (
        "[lockstep: password set at 2026-01-03 03:04:05+00]"
    )


def test_a_session_that_began_with_the_new_password_stays(bench: PostgresBench) -> None:
    role = bench.account("old")
    with bench.session(role, "old") as before:
        bench.system.apply(credential(role, "new"), "a1")
        with bench.session(role, "new") as after:
            assert bench.system.usage(credential(role, "old")).sessions == 1
            assert bench.system.usage(credential(role, "new")).sessions == 1
            for _ in range(2):
                bench.system.revoke(credential(role, "old"), successor=credential(role, "new"))
            assert not before()
            assert after()


def test_a_module_that_checks_passwords_refuses(bench: PostgresBench) -> None:
    """`passwordcheck` tells a verifier of the role's own name, which is all that it can tell of one."""
    role = bench.account("old")
    with pytest.raises(Refused, match="22023"):
        bench.system.apply(credential(role, role), "a1")
    assert bench.lets_in(role, "old")


def test_superusers_and_roles_of_the_system_are_not_rotated(bench: PostgresBench) -> None:
    bench.server.run("CREATE ROLE boss WITH SUPERUSER LOGIN")
    for name in ("boss", "pg_monitor"):
        with pytest.raises(Reject, match="not rotated"):
            bench.system.apply(credential(name, "new"), "a1")
        with pytest.raises(Reject, match="not rotated"):
            bench.system.revoke(credential(name, "new"))
    assert "superuser" in blocking(bench.system.examine(("boss",)))[0]
    bench.server.run("DROP ROLE boss")


def test_an_admin_without_admin_option_on_the_role(bench: PostgresBench) -> None:
    role = bench.server.role(password="old", managed=False)
    with pytest.raises(AdminRefused, match=r"docs/targets/postgres\.md"):
        bench.system.apply(credential(role, "new"), "a1")
    assert any("ADMIN OPTION" in text for text in blocking(bench.system.examine((role,))))
    assert bench.lets_in(role, "old")


def test_what_examine_says_of_roles(bench: PostgresBench) -> None:
    server = bench.server
    expired, limited, shut, other = (bench.account("old") for _ in range(4))
    server.run("ALTER ROLE {role} VALID UNTIL '2001-01-01'", role=expired)
    server.run("ALTER ROLE {role} CONNECTION LIMIT 1 VALID UNTIL '2999-01-01'", role=limited)
    assert any("VALID UNTIL is over" in text for text in blocking(bench.system.examine((expired,))))
    with bench.session(limited, "old"):
        found = worth(bench.system.examine((limited,)))
    assert any("1 connections open" in text for text in found)
    assert any("VALID UNTIL" in text for text in found)
    server.run("CREATE ROLE {group}", group="group-of-two")
    server.run("GRANT {group} TO {role}", group="group-of-two", role=shut)
    server.run("CREATE TABLE owned_by_one ()")
    server.run("ALTER TABLE owned_by_one OWNER TO {role}", role=shut)
    found = worth(bench.system.examine((shut, other)))
    assert any("differ in memberships" in text for text in found)
    assert any("owns objects" in text for text in found)
    server.run("DROP TABLE owned_by_one")
    server.run("DROP ROLE {group}", group="group-of-two")


def test_a_role_whose_connections_are_all_taken(bench: PostgresBench) -> None:
    """Nobody can tell whether its password works, but revocation goes on: whoever holds the connections loses them."""
    role, other = bench.account("old"), bench.account("other")
    bench.server.run("ALTER ROLE {role} CONNECTION LIMIT 1", role=role)
    with bench.session(role, "old") as attacker:
        with pytest.raises(Unavailable, match="no connection left"):
            bench.system.accepts(credential(role, "old"))
        bench.system.revoke(credential(role, "old"), successor=credential(other, "other"))
        assert not attacker()
    assert not bench.lets_in(role, "old")


def test_a_server_whose_connections_are_all_taken(own: PostgresBench) -> None:
    own.server.run("ALTER SYSTEM SET max_connections = 8")
    role = own.account("old")
    own.down()
    own.up()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(own.server.session(role, "old"))
        with pytest.raises(Unavailable):
            own.system.accepts(credential(role, "old"))
        with pytest.raises(Unavailable):
            own.system.apply(credential(role, "new"), "a1")


def test_an_expired_role_is_refused(bench: PostgresBench) -> None:
    role = bench.account("old")
    bench.server.run("ALTER ROLE {role} VALID UNTIL '2001-01-01'", role=role)
    assert not bench.system.accepts(credential(role, "old"))


def test_a_database_that_the_role_may_not_connect_to(bench: PostgresBench) -> None:
    role = bench.account("old")
    system = bench.opened(lambda: bench.right_admin, database="no-such-database")
    with pytest.raises(Reject, match="parameter database"):
        system.accepts(credential(role, "old"))
    assert not system.accepts(credential(role, "other"))  # the password is looked at first


@pytest.mark.parametrize(
    ("method", "told"), [("trust", "without its password"), ("password", "in a way that is not used")]
)
def test_a_server_that_asks_for_no_proof(own: PostgresBench, method: str, told: str) -> None:
    role = own.account("old")
    hba = own.server.directory / "data" / "pg_hba.conf"
    hba.write_text(f'host all "{role}" 127.0.0.1/32 {method}\n' + hba.read_text())
    own.down()
    own.up()
    with pytest.raises(Reject, match=told):
        own.system.accepts(credential(role, "old"))
    assert any(told in text for text in blocking(own.system.examine((role,))))


@pytest.mark.parametrize("line", ['host all "{role}" 127.0.0.1/32 reject', 'host no-such-database "{role}" all md5'])
def test_a_server_that_admits_nobody_from_here_proves_nothing(own: PostgresBench, line: str) -> None:
    role = own.account("old")
    hba = own.server.directory / "data" / "pg_hba.conf"
    others = "" if "reject" not in line else hba.read_text()
    hba.write_text(line.format(role=role) + f'\nlocal all all trust\nhost all "{own.server.admin}" all md5\n' + others)
    own.down()
    own.up()
    with pytest.raises(Reject, match="admits no login"):
        own.system.accepts(credential(role, "old"))
    with pytest.raises(Reject, match="admits no login"):
        own.system.revoke(credential(role, "old"))
    assert any("admits no login" in text for text in blocking(own.system.examine((role,))))


def test_passwords_from_before_scram_can_be_verified_and_revoked(own: PostgresBench) -> None:
    role = own.account()
    hba = own.server.directory / "data" / "pg_hba.conf"
    hba.write_text(hba.read_text().replace("scram-sha-256", "md5"))
    own.down()
    own.up()
    own.server.run("SET password_encryption = 'md5'; ALTER ROLE {role} PASSWORD 'from-before'", role=role)
    assert own.system.accepts(credential(role, "from-before"))
    assert not own.system.accepts(credential(role, "other"))
    own.system.apply(credential(role, "new"), "a1")
    own.system.revoke(credential(role, "from-before"), successor=credential(role, "new"))
    assert own.system.accepts(credential(role, "new"))
    assert not own.system.accepts(credential(role, "from-before"))


def test_a_server_that_takes_no_changes(own: PostgresBench) -> None:
    role = own.account("old")
    own.down()
    (own.server.directory / "data" / "standby.signal").touch()
    own.up()
    with pytest.raises(Unavailable, match="25006"):
        own.system.apply(credential(role, "new"), "a1")
    assert any("replica" in text for text in blocking(own.system.examine((role,))))
    assert own.system.accepts(credential(role, "old"))


def test_over_its_unix_socket(bench: PostgresBench) -> None:
    role = bench.account("old")
    system = bench.opened(lambda: bench.right_admin, host=str(bench.server.directory))
    system.apply(credential(role, "new"), "a1")
    assert system.accepts(credential(role, "new"))
    assert system.examine((role,)) == ()


def test_the_server_is_killed_while_sessions_end(own: PostgresBench) -> None:
    role = own.account("old")
    with own.session(role, "old"):
        own.system.apply(credential(role, "new"), "a1")
    killer = threading.Thread(target=own.down)
    killer.start()
    with contextlib.suppress(Unavailable):
        while True:
            own.system.revoke(credential(role, "old"), successor=credential(role, "new"))
    killer.join()
    own.up()
    own.system.revoke(credential(role, "old"), successor=credential(role, "new"))
    assert own.lets_in(role, "new")


def test_a_server_that_hangs_is_not_waited_for(bench: PostgresBench, monkeypatch: pytest.MonkeyPatch) -> None:
    role = bench.account("old")
    system = bench.opened(lambda: bench.right_admin, timeout="1s", statementTimeout="1s")
    changed, hanging = Admin.set_password, list[int]()

    def hung(admin: Admin, account: str, verifier: Verifier, rotation: str, before: Before) -> None:
        hanging.append(admin.connection.info.backend_pid)
        os.kill(hanging[0], signal.SIGSTOP)
        changed(admin, account, verifier, rotation, before)

    monkeypatch.setattr(Admin, "set_password", hung)
    try:
        with pytest.raises(Unavailable, match="the connection is gone"):
            system.apply(credential(role, "new"), "a1")
    finally:
        for process in hanging:
            os.kill(process, signal.SIGCONT)
    assert bench.lets_in(role, "old")


def test_changes_of_one_role_at_once(bench: PostgresBench) -> None:
    """Some may have to be tried again; the role has one of the passwords afterwards, whole."""
    role = bench.account("old")
    passwords = [f"new-{number}" for number in range(6)]

    def change(password: str) -> None:
        while True:
            try:
                bench.system.apply(credential(role, password), "a1")
            except Unavailable:
                continue
            return

    with ThreadPoolExecutor(len(passwords)) as pool:
        for done in [pool.submit(change, password) for password in passwords]:
            done.result(60)
    assert sum(bench.lets_in(role, password) for password in passwords) == 1
    assert set_at(comment(bench.server, role)) is not None


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "host"),
        ({"host": "db", "port": 70000}, "port"),
        ({"host": "db", "sslmode": "prefer"}, "sslmode"),
        ({"host": "db", "hostt": "x"}, "hostt"),
        ({"host": "db", "timeout": "1h"}, "timeout"),
        ({"host": "db", "ca": "no certificate"}, "ca"),
    ],
)
def test_wrong_parameters_are_named(bench: PostgresBench, parameters: dict[str, object], named: str) -> None:
    bench.target.spec.parameters.clear()
    with pytest.raises(Reject, match=rf"'orders'.*\b{named}\b"):
        bench.opened(lambda: bench.right_admin, **parameters).accepts(credential("role", "x"))


def test_tls_is_verified_where_the_server_is_not_on_this_machine(bench: PostgresBench) -> None:
    from infra.targets.postgres import PostgresParameters

    assert PostgresParameters(host="db.example").mode == "verify-full"
    assert PostgresParameters(host="127.0.0.5").mode == "disable"
    assert PostgresParameters(host="localhost", sslmode="verify-ca").mode == "verify-ca"
    assert PostgresParameters(host="/run/postgresql").mode == "disable"
    system = bench.opened(lambda: bench.right_admin, sslmode="require")
    with pytest.raises(Unavailable, match="offers no TLS"):
        system.accepts(credential("role", "x"))
