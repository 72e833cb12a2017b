"""A PostgreSQL of a benchmark's own, with as many accounts as it likes, and what it sees of their passwords."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from examples.postgres.database import ADMIN, HOST, Credential, Database, database
from infra.testbed.postgres import SUPERUSER


class BenchDatabase:
    """The demonstration's server, whose admin may change the accounts that are made here."""

    def __init__(self, server: Database, superuser: psycopg.Connection[tuple[object, ...]]) -> None:
        self.host, self.port, self.admin = HOST, server.port, server.admin
        self._server = server
        self._superuser = superuser

    def make(self, accounts: Iterable[Credential]) -> None:
        """Accounts that may log in; one without a password may not yet."""
        for one in accounts:
            name = sql.Identifier(one.user)
            self._superuser.execute(sql.SQL("CREATE ROLE {} WITH LOGIN").format(name))
            if one.password:
                verifier = self._superuser.pgconn.encrypt_password(
                    one.password.encode(), one.user.encode(), b"scram-sha-256"
                ).decode()
                self._superuser.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier)))
            self._superuser.execute(
                sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(name, sql.Identifier(ADMIN))
            )

    def verifier(self, account: str) -> object:
        """What the server holds a password against; None where it takes none. A look costs it next to nothing."""
        row = self._superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (account,)).fetchone()
        return row[0] if row else None

    def lets_in(self, credential: Credential) -> bool:
        """Log in, and out again. Raises RuntimeError where the server says nothing about the password."""
        said = self._server.refusal(credential)
        if said and "authentication failed" not in said and "not permitted to log in" not in said:
            raise RuntimeError(f"{credential.user}: {said}")
        return not said


@contextmanager
def bench_database() -> Iterator[BenchDatabase]:
    """A running server, until the end of the block."""
    with (
        database() as server,
        psycopg.connect(
            host=str(server.directory), port=server.port, user=SUPERUSER, dbname="postgres", autocommit=True
        ) as superuser,
    ):
        yield BenchDatabase(server, superuser)
