"""Pytest plugin: the database engine of a real OpenBao over a real PostgreSQL."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from functions._values import SecretValue
from infra.stores.vault.client import VaultClient
from tests.openbao import OpenBao
from tests.postgres import Postgres

_numbers = itertools.count(1)
ROLE = "lockstep-leases"  # the token role that docs/targets/openbao-dynamic.md has people make
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

    def allow_minting(self, *roles: str, longest: str = "768h") -> None:
        """The token role and the policy of its tokens."""
        rules = [f'path "{self.mount}/creds/{role}" {{ capabilities = ["read"] }}' for role in roles]
        rules.append('path "auth/token/revoke-self" { capabilities = ["update"] }')
        self.admin.call("POST", f"sys/policies/acl/{ROLE}-{self.mount}", body={"policy": "\n".join(rules)}, kind="test")
        self.admin.call("POST", f"auth/token/roles/{ROLE}-{self.mount}", kind="test", body={
            "allowed_policies": [f"{ROLE}-{self.mount}"], "orphan": True, "renewable": False,
            "token_no_default_policy": True, "token_type": "service", "token_explicit_max_ttl": longest,
        })  # fmt: skip

    @property
    def token_role(self) -> str:
        return f"{ROLE}-{self.mount}"


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
