"""`make demo`: the main job on real input, in a directory of its own, with a real OpenBao and a real PostgreSQL.

A postgres-operator's Secrets change three times; then a credential that a service logs in with all the time is
rotated, and leaks. Every hop is shown as it happens, then what it took: how long each consumer waited, what it cost at
the authority, how many logins failed, that the old credentials are refused, and whether the ledger can be verified. No
value is printed.
"""

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from examples.postgres.database import database
from examples.postgres.hops import hops
from examples.postgres.kubelet import mount
from examples.postgres.program import command, running
from examples.postgres.shop import Shop
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.output import table

SUFFIX = "platform-postgres.credentials.postgresql.acid.zalan.do"
SHOWN = ("secret.changed", "secret.published", "secret.materialized")
WIRING = Path(__file__).parent / "wiring"
ROTATED = ("lockstep-admin.yaml", "orders.yaml")  # of the credential that is rotated: shop.py lays them out
ROUNDS = 3
PATIENCE = 20.0  # seconds for anything to happen
# user -> the consumer Secrets that carry what becomes of its password
CONSUMERS = {"temporal": "temporal/postgres", "backstage": "backstage/postgres-url"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One change and how it came to one consumer; milliseconds since the source's swap."""

    number: int
    user: str
    version: int
    published: float
    consumer: str
    materialized: float


class Demo:
    """One run in one ROOT."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = ControlClient(root)

    def lay_out(self) -> None:
        """The wiring of this example, and the producer's Secrets as they are before the first change."""
        shutil.copytree(WIRING, self.root / "wiring", ignore=shutil.ignore_patterns(*ROTATED))
        mount(
            self.producer("platform-postgres-pooler"),
            {"host": "platform-postgres-pooler.platform-data.svc", "port": "5432"},
        )
        for user in CONSUMERS:
            self.rotate(user)

    def producer(self, name: str) -> Path:
        return self.root / "namespaces" / "platform-data" / name

    def rotate(self, user: str) -> int:
        """A new password, as the operator would set it; when it was there, in nanoseconds."""
        return mount(self.producer(f"{user}.{SUFFIX}"), {"username": user, "password": secrets.token_urlsafe(24)})

    def wait_in_step(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self.client.ask("wait", all=True, seconds=2.0)["done"]:
            if time.monotonic() > end:
                raise TimeoutError("the consumers did not get in step; see the timeline above")
        while self.client.ask("status")["broker"]["pending"]:
            if time.monotonic() > end:
                raise TimeoutError("events are still under way; run `lockstep events`")
            time.sleep(0.01)

    def arrived(self, number: int, user: str, changed: int) -> Arrival:
        """How the newest change of a user came to its consumer."""
        consumer = CONSUMERS[user]
        path = f"secret/platform-data/postgres/{user}"
        events = [e for e in self.client.ask("events", limit=500)["events"] if e["outcome"] == "accepted"]
        published = [e for e in events if e["type"] == "secret.published" and e["about"] == path][-1]
        made = [e for e in events if e["type"] == "secret.materialized" and e["about"] == consumer][-1]
        return Arrival(
            number=number,
            user=user,
            version=published["versions"][path],
            published=_nanoseconds(published["at"]) / 1e6 - changed / 1e6,
            consumer=consumer,
            materialized=_nanoseconds(made["at"]) / 1e6 - changed / 1e6,
        )

    def calls(self) -> dict[str, int]:
        """Requests to the authority so far, by kind."""
        _, page = self.client.send("GET", "/metrics", {}, b"")
        lines = [line for line in page.decode().splitlines() if line.startswith("lockstep_authority_calls_total{")]
        return {line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in lines}

    def run(self) -> None:
        """Three changes, one after the other; then the table and the proof."""
        self.wait_in_step()
        before, arrivals = self.calls(), []
        with hops(self.client, SHOWN, steps=("publish", "materialize")):
            for number in range(1, ROUNDS + 1):
                print(f"\nchange {number}: the operator sets new passwords", flush=True)
                contents = {user: self.content(user) for user in CONSUMERS}
                changed = {user: self.rotate(user) for user in CONSUMERS}
                self.wait_moved(contents)
                arrivals += [self.arrived(number, user, moment) for user, moment in changed.items()]
        _report(arrivals, before, self.calls())

    def wait_moved(self, before: dict[str, str]) -> None:
        """Until every consumer has another content than before, and all of it is on record."""
        end = time.monotonic() + PATIENCE
        for user, content in before.items():
            while self.content(user) == content:
                if time.monotonic() > end:
                    raise TimeoutError(f"{CONSUMERS[user]} did not follow; run `lockstep explain {CONSUMERS[user]}`")
                time.sleep(0.01)
        self.wait_in_step()

    def content(self, user: str) -> str:
        """Which content a consumer's Secret leads to: a name, not a value."""
        return os.readlink(self.root / "namespaces" / CONSUMERS[user] / "..data")


def _nanoseconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1e9


def _report(arrivals: list[Arrival], before: dict[str, int], after: dict[str, int]) -> None:
    header = ("change", "secret", "version", "published", "consumer", "materialized")
    rows = [
        (
            str(a.number),
            f"postgres/{a.user}",
            str(a.version),
            f"{a.published:.1f} ms",
            a.consumer,
            f"{a.materialized:.1f} ms",
        )
        for a in arrivals
    ]
    print("\n" + table(header, rows))
    changes = len(arrivals)
    spent = {kind: after[kind] - before.get(kind, 0) for kind in after if after[kind] > before.get(kind, 0)}
    spent.pop("health", None)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(spent.items()))
    print(f"\nauthority calls for {changes} changes: {sum(spent.values())} ({listed})")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is stopped then, too
    with tempfile.TemporaryDirectory(prefix="lockstep-demo-") as place:
        root, keys = Path(place) / "root", Path(place) / "keys"
        keys.mkdir(mode=0o700)
        root.mkdir()
        print(f"starting PostgreSQL, OpenBao, broker and steps in {root}", flush=True)
        with database() as server:
            demo, shop = Demo(root), Shop(root, server)
            demo.lay_out()
            shop.lay_out()
            with running(root, keys / "seal.key") as address:
                shop.begin()
                demo.run()
                shop.run(address)
                command(root, "status")
                command(root, "audit", "verify", "--anchor-now")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped")
