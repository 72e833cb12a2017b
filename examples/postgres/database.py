"""A real PostgreSQL of the demonstration's own: started, prepared as docs/targets/postgres.md says, stopped."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

import psycopg
from psycopg import sql

from infra.testbed import postgres
from infra.testbed.processes import spawn, stop, tail

ADMIN = "lockstep_admin"
ACCOUNTS = ("orders_a", "orders_b")
HOST = "127.0.0.1"
_PATIENCE = 60.0  # seconds until it takes logins; also those that a login may take
_SETTINGS = f"listen_addresses = '{HOST}'\nfsync = off\nmax_connections = 40\n"
# The superuser's way in is the Unix socket alone, in a directory that is the server's.
_HBA = f"local all {postgres.SUPERUSER} trust\nhost all all {HOST}/32 scram-sha-256\n"


@dataclass(frozen=True)
class Credential:
    """A user and its password; nothing shows the latter."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credential({self.user})"


@dataclass(frozen=True)
class Database:
    """A running server. `admin` may change passwords of ACCOUNTS, and nothing else."""

    directory: Path
    port: int
    admin: Credential

    def refusal(self, credential: Credential) -> str:
        """Log in, and out again: "" where that worked, else what the server said."""
        try:
            psycopg.connect(
                host=HOST, port=self.port, user=credential.user, password=credential.password, dbname="postgres",
                connect_timeout=int(_PATIENCE),
            ).close()  # fmt: skip
        except psycopg.OperationalError as error:
            said = str(error).strip().rpartition("FATAL:  ")[2]  # names the user, and never a password
            return said or "no answer"
        return ""

    def prepare(self) -> None:
        """Roles and grants; each password as a verifier, so that the server never hears one."""
        with self._superuser() as connection:
            verifier = connection.pgconn.encrypt_password(
                self.admin.password.encode(), ADMIN.encode(), b"scram-sha-256"
            ).decode()
            connection.execute(
                sql.SQL("CREATE ROLE {} WITH LOGIN CREATEROLE PASSWORD {}").format(
                    sql.Identifier(ADMIN), sql.Literal(verifier)
                )
            )
            connection.execute(f"GRANT pg_signal_backend, pg_read_all_stats TO {ADMIN}")
            connection.execute("CREATE ROLE orders NOLOGIN")
            for account in ACCOUNTS:
                connection.execute(f"CREATE ROLE {account} WITH LOGIN IN ROLE orders")
                connection.execute(f"GRANT {account} TO {ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")

    def wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends and process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError), self._superuser():
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{tail(log, 20)}")

    def _superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.directory), port=self.port, user=postgres.SUPERUSER, dbname="postgres", autocommit=True
        )


@contextlib.contextmanager
def database() -> Iterator[Database]:
    """A server with an empty database, until the end of the block."""
    with postgres.directory() as directory:
        programs = postgres.installed(directory)
        data, log = directory / "data", directory / "log"
        postgres.initialize(programs, data)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        (data / "pg_hba.conf").write_text(_HBA)
        made = Database(directory, _free_port(), Credential(ADMIN, token_urlsafe(24)))
        command = [str(programs / "bin" / "postgres"), "-D", str(data), "-p", str(made.port), "-k", str(directory)]
        process = spawn(command, log, with_parent=signal.SIGQUIT, user=postgres.unprivileged())
        try:
            made.wait(process, log)
            made.prepare()
            yield made
        finally:
            process.send_signal(signal.SIGQUIT)  # at once, and its children too
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            stop(process)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])
