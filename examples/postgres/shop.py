"""What happens to one credential: a planned rotation under a service that logs in all the time, then a leak.

It is the database user of the orders service; wiring/orders.yaml and targets/platform-postgres.yaml say how.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import yaml

from examples.postgres.alert import post
from examples.postgres.database import HOST, Credential, Database
from examples.postgres.hops import hops
from examples.postgres.kubelet import mount
from examples.postgres.orders import Orders, mounted
from examples.postgres.program import command, fingerprint
from infra.hosts.cli.client import ControlClient

ROTATION = "shop/orders-db"
ADMIN_PATH = "secret/platform-data/postgres/lockstep-admin"
SHOWN = (
    "rotation.requested", "rotation.staged", "rotation.applied", "rotation.verified", "rotation.promoted",
    "rotation.revoked", "rotation.completed", "rotation.failed", "secret.published", "secret.materialized",
    "leak.reported", "leak.confirmed", "leak.held", "leak.dismissed", "leak.contained",
)  # fmt: skip
_HERE = Path(__file__).parent
_PATIENCE = 60.0  # seconds for anything to happen on a loaded machine
_LOGINS = 20  # that are waited for before and after, so that both credentials are used


@dataclass
class Shop:
    """One run in one ROOT, with one server."""

    root: Path
    server: Database
    token: str = field(default_factory=lambda: token_urlsafe(24), repr=False)  # the reporter's

    def lay_out(self) -> None:
        """The target's manifest with this server's address, the admin credential, and who may report leaks."""
        shutil.copy(_HERE / "wiring" / "lockstep-admin.yaml", self.root / "wiring")
        manifest = _HERE / "targets" / "platform-postgres.yaml"
        declared = yaml.safe_load(manifest.read_text(encoding="utf-8"))
        declared["spec"]["parameters"] = {"host": HOST, "port": self.server.port}
        (self.root / "targets").mkdir()
        (self.root / "targets" / manifest.name).write_text(yaml.safe_dump(declared), encoding="utf-8")
        admin = self.server.admin
        name = "lockstep-admin.platform-postgres.credentials.postgresql.acid.zalan.do"
        place = self.root / "namespaces" / "platform-data" / name
        mount(place, {"username": admin.user, "password": admin.password})
        reporter = {"name": "alertmanager", "tokenSHA256": hashlib.sha256(self.token.encode()).hexdigest()}
        settings = {"apiVersion": "lockstep.dev/v1alpha1", "kind": "Configuration", "reporters": [reporter]}
        (self.root / "lockstep.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def begin(self) -> None:
        """Wire the Rotation, and have the first credential made: the database has users, and no password of them."""
        self._until(lambda: self._in_step(ADMIN_PATH), f"{ADMIN_PATH} was not published")
        shutil.copy(_HERE / "wiring" / "orders.yaml", self.root / "wiring")
        self._until(lambda: bool(self._phase()), f"{ROTATION} was not wired")
        command(self.root, "rotate", ROTATION, "--wait")

    def run(self, address: str) -> None:
        """A planned rotation, then a leak. Raises RuntimeError where a promise was not kept."""
        with Orders(self.server, self._secret) as orders:
            orders.wait(_LOGINS, _PATIENCE)
            print("\nthe orders service logs in, over and over, with what its mounted Secret holds", flush=True)
            self._planned(orders)
            self._leak(orders, address)

    def _planned(self, orders: Orders) -> None:
        old = self._credential()
        orders.part()
        with hops(self._client, SHOWN):
            command(self.root, "rotate", ROTATION, "--wait")
        orders.wait(_LOGINS, _PATIENCE)
        print(f"\nplanned rotation: {orders.part()}")
        self._prove(old)
        command(self.root, "rotation", "list")

    def _leak(self, orders: Orders, address: str) -> None:
        old = self._credential()
        print("\na password is in a log; what finds it there tells Alertmanager its fingerprint, and not which it is")
        found = fingerprint(self.root, old.password)
        orders.part()
        with hops(self._client, SHOWN):
            post(address, self.token, {"lockstep_fingerprint": found, "lockstep_place": "logs/orders"})
            leak = self._contained()
        orders.wait(_LOGINS, _PATIENCE)
        command(self.root, "leak", "show", leak["id"][:12])
        print(f"\nleak: {orders.part()}; seconds to contain: {leak['secondsToContain']:.1f}")
        self._prove(old)

    def _prove(self, old: Credential) -> None:
        """Try the old credential at the server."""
        refusal, current = self.server.refusal(old), self._credential()
        if not refusal or self.server.refusal(current):
            raise RuntimeError("the old credential works, or the new one does not")
        print(f"tried: the old credential ({old.user}) is refused: {refusal}")
        print(f"tried: the new credential ({current.user}) works", flush=True)

    def _contained(self) -> dict[str, Any]:
        """Wait until the one leak is contained."""
        self._until(lambda: [one["state"] for one in self._leaks()] == ["contained"], "the leak was not contained")
        return self._leaks()[0]

    def _leaks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.ask("leaks")["leaks"]
        return found

    def _in_step(self, path: str) -> bool:
        return all(one["inStep"] for one in self._client.ask("status", names=[path])["secrets"])

    def _phase(self) -> str:
        found = self._client.ask("rotations", namespace=None)["rotations"]
        return next((str(one["phase"]) for one in found if one["name"] == ROTATION), "")

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Poll. Raises TimeoutError saying what did not happen."""
        ends = time.monotonic() + _PATIENCE
        while not holds():
            if time.monotonic() > ends:
                raise TimeoutError(f"{otherwise}; its reason is in what `lockstep explain` says")
            time.sleep(0.05)

    def _credential(self) -> Credential:
        credential = mounted(self._secret)
        if credential is None:
            raise RuntimeError(f"{self._secret} holds nothing; run `lockstep explain shop/orders`")
        return credential

    @property
    def _secret(self) -> Path:
        return self.root / "namespaces" / "shop" / "orders"

    @property
    def _client(self) -> ControlClient:
        return ControlClient(self.root)
