"""What would stand in the way of a rotation at a PostgreSQL server, looked at without changing anything."""

import secrets
from collections.abc import Iterator

from psycopg import sql

from functions._failures import StepFailure
from functions._systems import Finding
from infra.targets.postgres_admin import Admin
from infra.targets.postgres_login import Login, Server, login

_SERVER = sql.SQL(
    "SELECT pg_is_in_recovery() AS replica, current_setting('server_version_num')::int AS version, "
    "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions, "
    "current_setting('max_connections')::int AS most, current_setting('password_encryption') AS encryption, "
    "r.rolsuper AS super, r.rolcreaterole AS creates "
    "FROM pg_roles r WHERE r.rolname = current_user"
)
_ROLE = sql.SQL(
    "SELECT r.oid, r.rolsuper, r.rolconnlimit AS most, r.rolvaliduntil <= now() AS expired, "
    "r.rolvaliduntil IS NOT NULL AS expires, "
    "pg_has_role(current_user, r.oid, 'USAGE WITH ADMIN OPTION') AS administered, "
    "pg_has_role(current_user, r.oid, 'USAGE') OR pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS ends, "
    "pg_has_role(current_user, r.oid, 'USAGE') OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees, "
    "has_database_privilege(r.oid, current_database(), 'CONNECT') AS connects, "
    "(SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid) AS sessions "
    "FROM pg_roles r WHERE r.rolname = %s"
)
_RIGHTS = sql.SQL(
    "SELECT r.rolinherit, r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolbypassrls, r.rolconnlimit, "
    "ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = r.oid ORDER BY 1) AS memberships, "
    "ARRAY(SELECT d.setdatabase || ':' || s FROM pg_db_role_setting d, unnest(d.setconfig) s WHERE d.setrole = r.oid "
    "ORDER BY 1) AS settings, "
    "ARRAY(SELECT DISTINCT d.dbid || '/' || d.classid || '/' || d.objid FROM pg_shdepend d WHERE d.refobjid = r.oid "
    "AND d.refclassid = 'pg_authid'::regclass AND d.deptype = 'a' ORDER BY 1) AS grants, "
    "EXISTS (SELECT FROM pg_shdepend d WHERE d.refobjid = r.oid AND d.refclassid = 'pg_authid'::regclass "
    "AND d.deptype = 'o') AS owns FROM pg_roles r WHERE r.rolname = %s"
)
_NEARLY_FULL = 0.9


class Examination:
    """One look, for these accounts; two of them take turns."""

    def __init__(self, server: Server, mode: str, accounts: tuple[str, ...]) -> None:
        self._server = server
        self._mode = mode
        self._accounts = accounts

    def findings(self, admin: Admin) -> tuple[Finding, ...]:
        (server,) = admin.rows(_SERVER)
        found = [*self._of_server(server)]
        present = 0
        for account in self._accounts:
            roles = admin.rows(_ROLE, account)
            if not roles:
                found.append(_blocks(f"there is no role {account!r}; create it, with LOGIN"))
                continue
            present += 1
            found += self._of_role(account, roles[0], server)
            found += self._of_login(account)
        if present == len(self._accounts) == 2:
            found += self._of_turns(admin)
        return tuple(found)

    def _of_server(self, server: dict[str, object]) -> Iterator[Finding]:
        if server["replica"]:
            yield _blocks("the server is a replica, which takes no changes; name the primary in parameter host")
        if _number(server["version"]) < 140000:
            yield _worth("the server is older than PostgreSQL 14, the oldest that is supported")
        if not server["super"] and not server["creates"]:
            yield _blocks("the admin lacks CREATEROLE; docs/targets/postgres.md has the statement")
        if server["encryption"] != "scram-sha-256":
            yield _worth("password_encryption is not scram-sha-256: rotated passwords are kept so, others are not")
        if _number(server["sessions"]) >= _NEARLY_FULL * _number(server["most"]):
            yield _worth(f"{server['sessions']} of {server['most']} connections are taken; logins may find none free")
        if self._mode == "require" or (self._mode == "disable" and not self._local):
            yield _worth(f"sslmode is {self._mode}: another server could answer in its place; use verify-full")

    @property
    def _local(self) -> bool:
        return self._server.host.startswith(("/", "127.")) or self._server.host in {"::1", "localhost"}

    def _of_role(self, account: str, role: dict[str, object], server: dict[str, object]) -> Iterator[Finding]:
        if role["rolsuper"]:
            yield _blocks(f"{account!r} is a superuser, which is not rotated; use a role with fewer rights")
        if not server["super"]:
            if _number(server["version"]) >= 160000 and not role["administered"]:
                yield _blocks(f'the admin has no ADMIN OPTION on {account!r}: GRANT {_quoted(account)} TO "<admin>" '
                              "WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")  # fmt: skip
            if not role["ends"]:
                yield _blocks(f'the admin may not end sessions of {account!r}: GRANT pg_signal_backend TO "<admin>"')
            if not role["sees"]:
                yield _worth(f"the admin does not see when sessions of {account!r} began, so that revocation ends all "
                             'of them: GRANT pg_read_all_stats TO "<admin>"')  # fmt: skip
        if role["expired"]:
            yield _blocks(f"{account!r} is no longer valid (VALID UNTIL is over), whatever its password")
        elif role["expires"]:
            yield _worth(f"{account!r} has VALID UNTIL, which rotation does not move")
        if not role["connects"]:
            yield _blocks(f"{account!r} may not connect to database {self._server.database!r}: grant it CONNECT")
        if 0 <= _number(role["most"]) <= _number(role["sessions"]):
            yield _worth(f"{account!r} has all of its {role['most']} connections open; verification needs one more")

    def _of_login(self, account: str) -> Iterator[Finding]:
        """A password that nobody has must be refused: what asks for none can neither be verified nor revoked."""
        try:
            ended = login(self._server, account, secrets.token_urlsafe(24).encode())
        except StepFailure as failure:
            yield _blocks(failure.reason)
            return
        if ended is Login.ACCEPTED:
            yield _blocks(f"{account!r} was let in with a password that it does not have")

    def _of_turns(self, admin: Admin) -> Iterator[Finding]:
        """Accounts that take turns must be able to do the same."""
        first, second = self._accounts
        one, other = (admin.rows(_RIGHTS, account)[0] for account in self._accounts)
        differing = sorted(name for name in one if name != "owns" and one[name] != other[name])
        if differing:
            yield _worth(f"{first!r} and {second!r} differ in {', '.join(differing)}; give both the same, best by one "
                         "group role that has every right")  # fmt: skip
        for account, rights in ((first, one), (second, other)):
            if rights["owns"]:
                yield _worth(f"{account!r} owns objects, which the other does not; have a group role own them, and "
                             f'both: ALTER ROLE {_quoted(account)} SET role TO "<group>"')  # fmt: skip


def _blocks(text: str) -> Finding:
    return Finding(True, text)


def _worth(text: str) -> Finding:
    return Finding(False, text)


def _number(value: object) -> int:
    return int(str(value))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
