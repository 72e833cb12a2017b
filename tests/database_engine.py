"""Pytest plugin: the database engine of a real OpenBao over a real PostgreSQL."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functions._values import SecretValue
from infra.stores.vault.client import VaultClient
from tests.openbao import OpenBao
from tests.postgres import Postgres

_numbers = itertools.count(1)
ROLE = "lockstep-leases"  # the token role that the page has people make
_PAGE = Path(__file__).parents[1] / "docs" / "targets" / "openbao-dynamic.md"
_COMMANDS = re.compile(
    rf"^bao policy write {ROLE} - <<EOF\n(.*?)^EOF\nbao write auth/token/roles/{ROLE} (.*?)^```",
    re.DOTALL | re.MULTILINE,
)
_CREATION = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


@dataclass
class DatabaseEngine:
    """A mount of its own, with one connection whose account is `root`; `admin` may do everything at OpenBao."""

    openbao: OpenBao
    postgres: Postgres
    admin: VaultClient
    mount: str
    root: str
    root_password: str = field(repr=False)
    connection: str = "orders"

    def connect(self, password: str | None = None) -> None:
        """Configure the connection, as somebody does who knows root's password."""
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self.postgres.port}/postgres?sslmode=disable"
        self.admin.call("POST", f"{self.mount}/config/{self.connection}", kind="test", body={
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url,
            "username": self.root, "password": password or self.root_password,
            "password_authentication": "scram-sha-256", "max_open_connections": 2, "verify_connection": True,
        })  # fmt: skip

    def static_role(self, name: str | None = None) -> str:
        """A static role over a role of PostgreSQL of the same name; OpenBao sets its password at once."""
        name = self.postgres.role(name, managed=False)
        body = {"db_name": self.connection, "username": name, "rotation_period": "720h"}
        self.admin.call("POST", f"{self.mount}/static-roles/{name}", body=body, kind="test")
        return name

    def dynamic_role(self, ttl: str = "1h", longest: str = "24h") -> str:
        name = f"dynamic-{next(_numbers)}"
        body = {"db_name": self.connection, "creation_statements": [_CREATION], "default_ttl": ttl, "max_ttl": longest}
        self.admin.call("POST", f"{self.mount}/roles/{name}", body=body, kind="test")
        return name

    def lease(self, role: str) -> tuple[str, str, str]:
        """A credential as anybody reads one: its lease's id, username and password. It lives as long as `admin`."""
        body = self.admin.call("GET", f"{self.mount}/creds/{role}", kind="test").body
        return body["lease_id"], body["data"]["username"], body["data"]["password"]

    def static_password(self, name: str) -> SecretValue:
        body = self.admin.call("GET", f"{self.mount}/static-creds/{name}", kind="test").body
        return SecretValue.of(body["data"]["password"])

    def allow_minting(self, role: str, longest: str = "") -> None:
        """The token role and the policy of its tokens, as the page has people make them; for all roles, a `*`."""
        policy, options = documented_minting()
        policy = policy.replace("database/creds/orders", f"{self.mount}/creds/{role}")
        self.admin.call("POST", f"sys/policies/acl/{self.token_role}", body={"policy": policy}, kind="test")
        body = {
            **options,
            "allowed_policies": [self.token_role],
            **({"token_explicit_max_ttl": longest} if longest else {}),
        }
        self.admin.call("POST", f"auth/token/roles/{self.token_role}", kind="test", body=body)

    @property
    def token_role(self) -> str:
        return f"{ROLE}-{self.mount}"


def documented_minting() -> tuple[str, dict[str, str]]:
    """The policy that the page of openbao-dynamic has people write, and the options of the token role."""
    found = _COMMANDS.search(_PAGE.read_text())
    assert found is not None, f"{_PAGE.name} does not say how the token role is made"
    return found[1], dict(word.split("=", 1) for word in found[2].replace("\\\n", " ").split())


def make_engine(openbao: OpenBao, postgres: Postgres) -> DatabaseEngine:
    number = f"{os.getpid()}-{next(_numbers)}"
    root, password = f"bao-{number}", f"the-root-of-{number}"
    postgres.run("CREATE ROLE {name} SUPERUSER LOGIN", name=root)
    postgres.set_password(root, password)
    admin = openbao.admin()
    mount = f"database-{number}"
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "database"}, kind="test")
    engine = DatabaseEngine(openbao, postgres, admin, mount, root, password)
    engine.connect()
    return engine


@pytest.fixture
def database_engine(openbao: OpenBao, postgres: Postgres) -> Iterator[DatabaseEngine]:
    """An engine over the shared servers; what it made goes with it."""
    engine = make_engine(openbao, postgres)
    yield engine
    engine.admin.call("DELETE", f"sys/mounts/{engine.mount}", kind="test")
