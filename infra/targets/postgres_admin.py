"""What the admin of a PostgreSQL server does to a role: password, right to log in, sessions.

Errors of the client are told by SQLSTATE alone: their texts quote statements.
"""

import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from functions._failures import Reject, StepFailure
from functions._systems import AdminRefused, Before, Refused, Usage, nothing
from infra.targets.postgres_login import Login, Server, login
from infra.targets.postgres_marks import marked, set_at
from infra.targets.postgres_watch import Watch
from infra.targets.scram import ITERATIONS, MOST_ITERATIONS

_LONGEST_NAME = 63  # bytes; the server cuts what is longer, and then means another role
_POLICY = frozenset({"22023", "28000", "28P01", "P0001"})  # what modules that check passwords answer with
# Classes of SQLSTATE that another try may not see: the connection, resources, locks, an operator, a replica; and what
# two changes of one role at once meet (23505 of its comment, XX000 "tuple concurrently updated").
_PASSING = frozenset({"08", "23", "25", "40", "53", "55", "57", "58", "XX"})
_CLEAN_LOOKS = 2  # at the list of sessions: one that was being admitted appears a moment later
_PAUSE = 0.02  # seconds between two looks
Verifier = Callable[[int], str]  # of a password, with so many iterations


@dataclass(frozen=True)
class Link:
    """How libpq reaches the server: `mode` is its sslmode, `ca` PEM or None; `statements` seconds for each."""

    mode: str
    ca: str | None
    statements: float


@dataclass(frozen=True)
class Role:
    """What matters of a role before it is changed. `set_at` is when we last set its password, by the server's clock;
    `looked` is when this was read, by the same."""

    oid: int
    logs_in: bool
    comment: str
    looked: str

    @property
    def set_at(self) -> datetime | None:
        return set_at(self.comment)


@contextmanager
def connected(server: Server, link: Link, user: str, password: str) -> Iterator["Admin"]:
    """The admin's connection. Raises AdminRefused, Unavailable, Reject; in the block, what statements failed of too."""
    with _authorities(link) as root:
        try:
            connection = psycopg.connect(
                host=server.host,
                port=server.port,
                dbname=server.database,
                user=user,
                password=password,
                sslmode=link.mode,
                sslrootcert=root,
                gssencmode="disable",
                require_auth="scram-sha-256,md5",
                passfile=os.devnull,
                connect_timeout=max(2, round(server.timeout)),
                application_name="lockstep",
                options=_options(link),
                client_encoding="utf8",
                autocommit=True,
                prepare_threshold=None,
            )
        except (psycopg.Error, UnicodeError):
            raise _not_connected(server, user, password) from None
    try:
        with connection, Watch(connection, link.statements + server.timeout) as watch:
            yield Admin(connection, watch, server, link, user)
    except psycopg.Error as error:
        raise _failure(server, error.sqlstate) from None


class Admin:
    """An open connection of the admin."""

    def __init__(
        self, connection: psycopg.Connection[tuple[object, ...]], watch: Watch, server: Server, link: Link, user: str
    ) -> None:
        self.connection = connection
        self._bounded = watch.bounded
        self._server = server
        self._link = link
        self._user = user

    def rows(self, query: sql.SQL, *values: object) -> list[dict[str, object]]:
        with self._bounded(), self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()

    def set_password(self, account: str, verifier: Verifier, rotation: str, before: Before = nothing) -> None:
        """Let the role log in with this password from now on, and mark when that was. Raises Refused."""
        self._changeable(account)
        told = verifier(self._iterations())
        before()
        try:
            self._alter("ALTER ROLE {} WITH LOGIN PASSWORD {}", account, told)
        except psycopg.Error as error:
            if error.sqlstate not in _POLICY:
                raise
            raise Refused(
                f"PostgreSQL of target {self._server.name!r} does not take this password for {account!r} "
                f"(SQLSTATE {error.sqlstate}); a module that checks passwords must admit SCRAM verifiers"
            ) from None
        # Only now: whoever began earlier by the server's clock may have used the former password.
        role = self._role(account)
        self._alter(_MARK, account, marked(role.comment, role.looked, rotation))

    def disable(self, account: str, before: Before = nothing) -> None:
        """No login with anything, until a password is set again."""
        self._changeable(account)
        before()
        self._alter("ALTER ROLE {} WITH NOLOGIN PASSWORD NULL", account)

    def end_sessions(self, account: str) -> None:
        """End the role's sessions: those that began before its password was set, and all where it may not log in.

        Raises Unavailable where they do not end.
        """
        role = self._changeable(account)
        ends, clean = time.monotonic() + self._link.statements, 0
        while True:
            found = self.rows(_END, role.oid, role.set_at if role.logs_in else None)
            clean = 0 if found else clean + 1
            if clean == _CLEAN_LOOKS:
                return
            if time.monotonic() > ends:
                raise self._server.unavailable(f"has not ended {len(found)} sessions of {account!r} yet")
            time.sleep(_PAUSE)

    def sessions(self, account: str, *, current: bool) -> Usage:
        """The sessions that the role's present password opened, or those that others did before it."""
        role = self._role(account)
        (seen,) = self.rows(_SEEN, role.oid, role.set_at, current)
        if not seen["visible"]:
            return Usage(known=False)
        last, count = seen["last"], seen["sessions"]
        return Usage(True, last.astimezone(UTC) if isinstance(last, datetime) else None, int(str(count)))

    def _iterations(self) -> int:
        """As many as this server wants of verifiers; those before 16 do not say."""
        told = self.connection.info.parameter_status("scram_iterations")
        if told and not (told.isdecimal() and 1 <= int(told) <= MOST_ITERATIONS):
            raise Reject(
                f"target {self._server.name!r} asks for more than {MOST_ITERATIONS} scram_iterations: set less"
            )
        return int(told) if told else ITERATIONS

    def _alter(self, statement: str, account: str, literal: str | None = None) -> None:
        parts = [sql.Identifier(account), *([] if literal is None else [sql.Literal(literal)])]
        with self._bounded(), self.connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*parts))

    def _changeable(self, account: str) -> Role:
        """The role, if it is one that rotation may touch at all. Raises Reject."""
        role = self._role(account)
        if account == self._user:
            raise Reject(f"{account!r} is the admin of target {self._server.name!r} itself, which is not rotated by it")
        return role

    def _role(self, account: str) -> Role:
        if len(account.encode()) > _LONGEST_NAME or "\0" in account:
            raise Reject(f"account {account[:80]!r} is longer than {_LONGEST_NAME} bytes, or holds a zero byte")
        found = self.rows(_ROLE, account)
        if not found:
            raise Reject(f"target {self._server.name!r} has no role {account!r}; create it, with LOGIN")
        (role,) = found
        if role["rolsuper"] or account.startswith("pg_"):
            raise Reject(
                f"{account!r} is a superuser or a role of the system at target {self._server.name!r}: not rotated"
            )
        return Role(int(str(role["oid"])), bool(role["rolcanlogin"]), str(role["comment"] or ""), str(role["looked"]))


_ROLE = sql.SQL(
    "SELECT oid, rolcanlogin, rolsuper, shobj_description(oid, 'pg_authid') AS comment, clock_timestamp() AS looked "
    "FROM pg_roles WHERE rolname = %s"
)
# Not waited for until it is on the disk: a server that loses the mark has ended every session that it was about.
_MARK = "BEGIN; SET LOCAL synchronous_commit = off; COMMENT ON ROLE {} IS {}; COMMIT"
_END = sql.SQL(
    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = %s AND pid <> pg_backend_pid() "
    "AND coalesce(backend_start < %s::timestamptz, true)"
)
_SEEN = sql.SQL(
    "WITH asked AS (SELECT %s::oid AS role, %s::timestamptz AS set_at, %s::bool AS current) "
    "SELECT count(*) FILTER (WHERE matching) AS sessions, max(backend_start) FILTER (WHERE matching) AS last, "
    "coalesce(bool_and(backend_start IS NOT NULL), true) AS visible FROM (SELECT backend_start, "
    "(backend_start >= coalesce(set_at, '-infinity')) = current AS matching "
    "FROM pg_stat_activity, asked WHERE usesysid = asked.role) AS ours"
)


@contextmanager
def _authorities(link: Link) -> Iterator[str]:
    """The file of authorities as libpq takes it."""
    if link.mode not in {"verify-full", "verify-ca"}:
        yield ""
    elif link.ca is None:
        yield ssl.get_default_verify_paths().cafile or "system"
    else:
        with tempfile.NamedTemporaryFile("w", prefix="lockstep-ca-", suffix=".pem") as file:
            file.write(link.ca)
            file.flush()
            yield file.name


def _options(link: Link) -> str:
    """Settings of the session, which come with its start: nothing that a role or a database has set stands over them.

    No name is looked up but in pg_catalog, whatever others have put elsewhere.
    """
    limit = round(link.statements * 1000)
    return f"-c search_path=pg_catalog -c statement_timeout={limit} -c lock_timeout={limit}"


def _not_connected(server: Server, user: str, password: str) -> StepFailure:
    """Why the admin has no connection: libpq does not say it in a way that could be told apart."""
    ended = login(server, user, password.encode())
    if ended is Login.REFUSED:
        return AdminRefused(
            f"PostgreSQL of target {server.name!r} refuses its admin credential; write the right one to the path that "
            "spec.admin of the RotationTarget names"
        )
    if ended is Login.ACCEPTED:
        return server.unavailable(
            "does not let its admin connect with settings of the session (search_path, statement_timeout, "
            "lock_timeout); where that is a pooler, name the server itself"
        )
    return server.unavailable("does not let its admin connect now")


def _failure(server: Server, state: str | None) -> StepFailure:
    if state == "42501":
        return AdminRefused(
            f"the admin of target {server.name!r} may not do this; docs/targets/postgres.md has the statements that "
            "grant it what it needs"
        )
    if state is None or state[:2] in _PASSING:
        return server.unavailable(f"did not do what was asked (SQLSTATE {state or 'none: the connection is gone'})")
    return Reject(f"PostgreSQL of target {server.name!r} refuses the statement (SQLSTATE {state})")
