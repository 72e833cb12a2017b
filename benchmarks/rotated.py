"""Installations of the rotation benchmarks: accounts of a server, Rotations of them, consumers, a reporter of leaks."""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.databases import BenchDatabase
from benchmarks.floor_access import FOLDER, Access
from benchmarks.manifests import STORE, consumer
from examples.postgres.database import Credential
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError

NAMESPACE = "bench-shop"
BEARER = "the-reporter-of-a-benchmark"
FLOOR_ADMIN = f"{FOLDER}/admin"
PATIENCE = 600.0  # seconds for anything on a busy machine
_TARGET, _ADMIN = "bench-postgres", "bench-platform/postgres-admin"
_VERSION = "lockstep.dev/v1alpha1"
# To lay out credentials that are there already, and to read what the records say.
MORE_RULES = """\
path "secret/data/bench-platform/*" { capabilities = ["create", "update", "read"] }
path "secret/data/bench-shop/*" { capabilities = ["create", "update", "read"] }
path "lockstep/data/rotations/*" { capabilities = ["read"] }
path "lockstep/metadata/rotations/*" { capabilities = ["read"] }
"""


@dataclass(frozen=True, slots=True)
class Rotated:
    """One credential that is rotated, with the namespaces that consume it."""

    name: str
    accounts: tuple[str, ...]
    consumers: tuple[str, ...]

    @property
    def path(self) -> str:
        """Below the mount `secret`."""
        return f"bench-shop/{self.name}"

    @property
    def subject(self) -> str:
        """What the command line calls its Rotation."""
        return f"{NAMESPACE}/{self.name}"

    def targets(self, root: Path) -> list[Path]:
        return [root / "namespaces" / namespace / self.name for namespace in self.consumers]


def lay_out(
    root: Path, server: BenchDatabase, rotated: Sequence[Rotated], *, limit: int = 10, grace: float = 0.0
) -> None:
    """Configuration, target and wiring. `limit`: rotations at once, overall and at the server."""
    reporter = {"name": "bench", "tokenSHA256": hashlib.sha256(BEARER.encode()).hexdigest()}
    settings: dict[str, Any] = {
        "apiVersion": _VERSION, "kind": "Configuration", "reporters": [reporter],
        "leaks": {"limit": 1_000_000, "limitPerReporter": 1_000_000}, "rotation": {"limit": limit},
    }  # fmt: skip
    if grace:
        settings["rotation"]["intervalSeconds"] = 1  # how often it is seen that a grace is over
    for folder in ("wiring", "targets"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "lockstep.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (root / "targets" / "postgres.yaml").write_text(yaml.safe_dump(_target(server, limit)), encoding="utf-8")
    (root / "wiring" / "store.yaml").write_text(STORE, encoding="utf-8")
    documents = [yaml.safe_dump(_rotation(one, grace)) for one in rotated]
    consumers = "".join(consumer(one.name, each, one.path) for one in rotated for each in one.consumers)
    (root / "wiring" / "rotated.yaml").write_text("---\n".join(documents) + consumers, encoding="utf-8")


def seed(
    access: Access, server: BenchDatabase, floor: Sequence[Credential] = (), ours: Sequence[Credential] = ()
) -> None:
    """Put the admin's credential, and others that work already, where scripts and rotations find them.

    A credential of an account stands at `bench-shop/<account>`, and for the floor below its own folder.
    """
    admin = {"username": server.admin.user, "password": server.admin.password}
    with closing(access.connected()) as authority:
        for path in (_ADMIN, FLOOR_ADMIN):
            authority.write(path, admin, 0)
        for folder, credentials in ((NAMESPACE, ours), (FOLDER, floor)):
            for one in credentials:
                authority.write(f"{folder}/{one.user}", {"username": one.user, "password": one.password}, 0)


def floor_configuration(
    access: Access, server: BenchDatabase, credentials: Sequence[tuple[str, Sequence[str], Sequence[Path]]]
) -> dict[str, Any]:
    """What benchmarks.floor_rotation reads: for each credential its path, its accounts, and consumers' directories."""
    return {
        "host": access.host, "port": access.port, "token": access.token.reveal().decode(), "admin": FLOOR_ADMIN,
        "server": {"host": server.host, "port": server.port, "dbname": "postgres"},
        "credentials": [
            {"path": path, "accounts": list(accounts), "targets": [str(target) for target in targets]}
            for path, accounts, targets in credentials
        ],
    }  # fmt: skip


def mounted(directory: Path) -> Credential:
    """What a workload reads at this moment; both keys of one version."""
    while True:
        try:
            version = (directory / "..data").resolve(strict=True)
            return Credential((version / "username").read_text(), (version / "password").read_text())
        except FileNotFoundError:
            time.sleep(0.0005)  # replaced between link and file


def rotate(client: ControlClient, name: str) -> str:
    """Order a planned rotation; its id."""
    return str(client.tell("rotate", name=name, policy="planned")["rotation"])


def begin(client: ControlClient, rotated: Rotated, root: Path) -> None:
    """The first credential, from nothing, and at every consumer."""
    wait_for(lambda: _wired(client, rotated.subject), f"{rotated.subject} is wired")
    complete(client, rotated.subject, rotate(client, rotated.subject))
    wait_for(lambda: all((one / "..data").exists() for one in rotated.targets(root)), "the first credential")


def complete(client: ControlClient, name: str, rotation: str) -> None:
    """Wait for the end of a rotation. Raises RuntimeError where it is none that one would wish."""

    def ended() -> bool:
        state = client.ask("rotation", name=name)
        return bool(state["record"] and state["record"]["id"] == rotation and not state["underWay"])

    wait_for(ended, f"the end of the rotation of {name}")
    if (phase := client.ask("rotation", name=name)["phase"]) != "completed":
        raise RuntimeError(f"the rotation of {name} is {phase}")


def wait_for(holds: Callable[[], object], what: str, pause: float = 0.02) -> None:
    """Poll. Raises TimeoutError."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {PATIENCE:g} s in vain for {what}")
        time.sleep(pause)


def _wired(client: ControlClient, name: str) -> bool:
    try:
        return bool(client.ask("rotation", name=name)["wired"])
    except CommandError:
        return False


def _target(server: BenchDatabase, limit: int) -> dict[str, Any]:
    return {
        "apiVersion": _VERSION, "kind": "RotationTarget", "metadata": {"name": _TARGET},
        "spec": {
            "type": "postgres", "parameters": {"host": server.host, "port": server.port},
            "admin": {"secretStoreRef": {"name": "vault-backend"}, "remoteKey": _ADMIN},
            "allow": [{"namespaces": [NAMESPACE], "accounts": ["*"]}], "limits": {"concurrent": limit},
        },
    }  # fmt: skip


def _rotation(one: Rotated, grace: float) -> dict[str, Any]:
    alternating = len(one.accounts) > 1
    accounts = {"accounts": list(one.accounts)} if alternating else {"account": one.accounts[0]}
    return {
        "apiVersion": _VERSION, "kind": "Rotation", "metadata": {"namespace": NAMESPACE, "name": one.name},
        "spec": {
            "secretStoreRef": {"name": "vault-backend"}, "remoteKey": one.path,
            "target": {"name": _TARGET, **accounts}, "strategy": "alternating" if alternating else "single",
            "grace": f"{grace:g}s",
        },
    }  # fmt: skip
