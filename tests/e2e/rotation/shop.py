"""A shop whose database password is rotated: a running Lockstep, a real PostgreSQL, and a client that logs in."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
import yaml

from infra.hosts.cli.failures import CommandError
from tests.instance import Installation, Running, external_secret, push_secret
from tests.postgres import Postgres

NAMESPACE, PLATFORM = "shop", "platform"
TARGET, ROTATION = "orders-postgres", "orders-db"
NAME = f"{NAMESPACE}/{ROTATION}"
PATIENCE = 180.0  # whoever used up its quick tries waits for a whole minute, and for the one after


def rotation(path: str, accounts: tuple[str, ...], name: str = ROTATION, **spec: Any) -> dict[str, Any]:
    """A Rotation: alternating between two accounts, or of the one."""
    named = {"accounts": list(accounts)} if len(accounts) > 1 else {"account": accounts[0]}
    return {
        "apiVersion": "lockstep.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "secretStoreRef": {"name": "vault-backend"},
            "remoteKey": path,
            "target": {"name": TARGET, **named},
            "strategy": "alternating" if len(accounts) > 1 else "single",
            **spec,
        },
    }


def target(server: Postgres, admin_path: str, **spec: Any) -> dict[str, Any]:
    """The declaration of a server, by the platform."""
    return {
        "apiVersion": "lockstep.dev/v1alpha1",
        "kind": "RotationTarget",
        "metadata": {"name": TARGET},
        "spec": {
            "type": "postgres",
            "parameters": {"host": server.host, "port": server.port},
            "admin": {"secretStoreRef": {"name": "vault-backend"}, "remoteKey": admin_path},
            "allow": [{"namespaces": [NAMESPACE], "accounts": ["*"]}],
            **spec,
        },
    }


@dataclass
class Shop:
    """One ROOT with its server."""

    at: Installation
    server: Postgres
    mark: str = field(default_factory=lambda: uuid4().hex[:8])  # the authority may be shared: paths of one's own

    @property
    def path(self) -> str:
        return f"platform-data/postgres/orders-{self.mark}"

    @property
    def full_path(self) -> str:
        return f"secret/{self.path}"

    @property
    def admin_path(self) -> str:
        return f"platform-data/postgres/admin-{self.mark}"

    def lay_out(self, *accounts: str, consumer: bool = True, **spec: Any) -> None:
        """Target, admin credential, Rotation, and a consumer."""
        targets = self.at.root / "targets"
        targets.mkdir(exist_ok=True)
        self.at.lay(targets / "postgres.yaml", yaml.safe_dump(target(self.server, self.admin_path)))
        admin = {"username": self.server.admin.encode(), "password": self.server.admin_password.encode()}
        self.at.put(PLATFORM, "postgres-admin", admin)
        documents = [
            push_secret("postgres-admin", f"{PLATFORM}/postgres-admin", self.admin_path, tuple(admin)),
            rotation(self.path, accounts, **spec),
        ]
        if consumer:
            documents.append(external_secret(f"{NAMESPACE}/orders", self.path))
        self.at.wire("shop", *documents)

    def credential(self) -> tuple[str, str] | None:
        """What a workload reads from its mount now."""
        found = self.at.values(NAMESPACE, "orders")
        if not found or "username" not in found:
            return None
        return found["username"].decode(), found["password"].decode()

    def lets_in(self, credential: tuple[str, str]) -> bool:
        try:
            self.server.session(*credential).close()
        except psycopg.OperationalError:
            return False
        return True


def state(up: Running) -> Any:
    """What `lockstep rotation show` says."""
    return up.control.ask("rotation", name=NAME)


def phase(up: Running) -> str:
    try:
        return str(state(up)["phase"])
    except CommandError:
        return ""


def rotate(up: Running, policy: str = "planned") -> Any:
    """Order it; what the order is."""
    return up.control.tell("rotate", name=NAME, policy=policy)


def completed(up: Running, given: Any, patience: float = PATIENCE) -> Any:
    """Wait for the end of what was ordered."""

    def ended() -> bool:
        record = state(up)["record"]
        return bool(record and record["id"] == given["rotation"] and not state(up)["underWay"])

    try:
        up.wait_for(ended, "the end of the rotation", patience)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{state(up)}") from None
    return state(up)


def established(shop: Shop, up: Running, policy: str = "planned") -> tuple[str, str]:
    """Rotate once, from nothing; what the consumer has then."""
    up.wait_for(lambda: phase(up) == "never", "the Rotation is wired")
    up.wait_for(lambda: up.version(f"secret/{shop.admin_path}") == 1, "the admin credential at the authority")
    assert completed(up, rotate(up, policy))["phase"] == "completed"
    up.wait_for(lambda: shop.credential() is not None, "the first credential at the consumer")
    found = shop.credential()
    assert found is not None
    return found


@dataclass
class Client:
    """Logs in over and over with what its mount holds; a login that fails is looked at once more, as files move."""

    shop: Shop
    succeeded: int = 0
    failed: list[str] = field(default_factory=list)
    users: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            credential = self.shop.credential()
            if credential is not None:
                self._log_in(credential)
            time.sleep(0.02)

    def _log_in(self, credential: tuple[str, str]) -> None:
        try:
            self.shop.server.session(*credential).close()
        except psycopg.OperationalError as error:
            self.failed.append(f"{credential[0]}: {type(error).__name__}")
        else:
            self.succeeded += 1
            self.users.add(credential[0])
