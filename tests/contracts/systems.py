"""Benches of the suite of `System`: the fake, and each type of target with its real server.

A bench makes accounts as the server's owner does, looks at them from outside (never through the adapter), and opens
the adapter with a given admin credential.
"""

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import redis

from functions._manifests.rotation_target import RotationTarget
from functions._systems import Credential, System
from functions._values import SecretData, SecretValue
from infra.targets.declared import DeclaredSystems
from tests.fakes.systems import FakeSystem
from tests.postgres import Postgres
from tests.redis import Redis

_numbers = itertools.count(1)

AdminReader = Callable[[], tuple[str, str]]


def credential(account: str, password: str | None) -> Credential:
    """As steps make it of a path's content; without its secret where that is lost."""
    fields = {"username": SecretValue.of(account)}
    return Credential(account, fields if password is None else {**fields, "password": SecretValue.of(password)})


def manifest(type_name: str, **parameters: object) -> RotationTarget:
    """One that lets anybody change any account but those called `not-ours…`."""
    return RotationTarget.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "RotationTarget",
            "metadata": {"name": "orders"},
            "spec": {
                "type": type_name,
                "parameters": parameters,
                "allow": [{"namespaces": ["*"], "accounts": ["[!n]*", "n[!o]*"]}],
            },
        }
    )


class Bench(ABC):
    """`system` is opened with the right admin credential."""

    system: System

    @abstractmethod
    def account(self, password: str | None = None, name: str | None = None) -> str:
        """A new account, which accepts this password."""

    @abstractmethod
    def lets_in(self, account: str, password: str) -> bool:
        """Whether somebody who is not us can log in."""

    @abstractmethod
    def down(self) -> None:
        """Stop the server; what it keeps stays."""

    @abstractmethod
    def up(self) -> None: ...


class RealBench(Bench):
    """One with a server outside: sessions, other admins, logs."""

    target: RotationTarget

    @property
    def server_port(self) -> int:
        return int(self.target.spec.parameters["port"])

    @property
    @abstractmethod
    def right_admin(self) -> tuple[str, str]:
        """User name and password."""

    @abstractmethod
    def session(self, account: str, password: str) -> contextlib.AbstractContextManager[Callable[[], bool]]:
        """A session; what it yields tells whether it still works."""

    @abstractmethod
    def logged(self) -> str:
        """Everything that the server wrote or shows of what was done."""

    def opened(self, admin: AdminReader, **parameters: object) -> System:
        """The adapter, with the admin credential that is read whenever it asks, and further parameters."""

        def read(target: RotationTarget) -> SecretData:
            username, password = admin()
            return {"username": SecretValue.of(username), "password": SecretValue.of(password)}

        spec = self.target.spec
        spec = spec.model_copy(update={"parameters": {**spec.parameters, **parameters}})
        target = self.target.model_copy(update={"spec": spec})
        return DeclaredSystems(lambda name: target, read).open("orders")


class FakeBench(Bench):
    def __init__(self) -> None:
        self._fake = FakeSystem()
        self.system: System = self._fake

    def account(self, password: str | None = None, name: str | None = None) -> str:
        name = name or f"account-{next(_numbers)}"
        if password is not None:
            self._fake.open_account(name, password.encode())
        return name

    def lets_in(self, account: str, password: str) -> bool:
        return self._fake.lets_in(account, password.encode())

    def down(self) -> None:
        self._fake.down = True

    def up(self) -> None:
        self._fake.down = False


class PostgresBench(RealBench):
    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.target = manifest("postgres", host=server.host, port=server.port, timeout="20s", statementTimeout="30s")
        self.system = self.opened(lambda: self.right_admin)

    @property
    def right_admin(self) -> tuple[str, str]:
        return self.server.admin, self.server.admin_password

    def account(self, password: str | None = None, name: str | None = None) -> str:
        return self.server.role(name, password)

    def lets_in(self, account: str, password: str) -> bool:
        try:
            self.server.session(account, password).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextlib.contextmanager
    def session(self, account: str, password: str) -> Iterator[Callable[[], bool]]:
        connection = self.server.session(account, password)

        def works() -> bool:
            try:
                connection.execute("SELECT 1")
            except psycopg.OperationalError:
                return False
            return True

        with contextlib.closing(connection):
            yield works

    def logged(self) -> str:
        shown = self.server.run("SELECT query FROM pg_stat_statements UNION ALL SELECT query FROM pg_stat_activity")
        return self.server.log.read_text(errors="replace") + "\n".join(str(row[0]) for row in shown)

    def down(self) -> None:
        self.server.stop()

    def up(self) -> None:
        self.server.start()


class RedisBench(RealBench):
    def __init__(self, server: Redis) -> None:
        self.server = server
        self.target = manifest("redis", host=server.host, port=server.port, timeout="20s")
        self.system = self.opened(lambda: self.right_admin)

    @property
    def right_admin(self) -> tuple[str, str]:
        return self.server.admin, self.server.admin_password

    def account(self, password: str | None = None, name: str | None = None) -> str:
        return self.server.user(name, password)

    def lets_in(self, account: str, password: str) -> bool:
        with self.server.client(account, password) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return False
            except redis.exceptions.NoPermissionError:
                return True  # it is in, and may do little

    @contextlib.contextmanager
    def session(self, account: str, password: str) -> Iterator[Callable[[], bool]]:
        with self.server.client(account, password) as client:
            connection: Any = client.connection_pool.get_connection()

            def works() -> bool:
                try:
                    connection.send_command("PING", check_health=False)
                    return bool(connection.read_response() == "PONG")
                except (redis.ConnectionError, OSError):
                    return False

            try:
                yield works
            finally:
                connection.disconnect()

    def logged(self) -> str:
        """Beside MONITOR, which a test has to listen to."""
        slow = self.server.run("SLOWLOG", "GET", "-1")
        shown = [self.server.run("ACL", "LOG"), self.server.run("ACL", "LIST"), self.server.run("CLIENT", "LIST"), slow]
        return self.server.log.read_text(errors="replace") + repr(shown)

    def down(self) -> None:
        self.server.stop()

    def up(self) -> None:
        self.server.start()
