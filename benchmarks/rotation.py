"""Planned rotations of a database password while a service logs in with what its mount holds."""

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchmarks import accepted
from benchmarks.databases import BenchDatabase, bench_database
from benchmarks.floor_access import floor_access
from benchmarks.percentiles import median, percentile
from benchmarks.result import Line
from benchmarks.rotated import MORE_RULES, Rotated, begin, complete, lay_out, mounted, rotate, seed, wait_for
from benchmarks.running import Lockstep
from benchmarks.sizes import Sizes
from examples.postgres.database import Credential
from infra.hosts.cli.client import ControlClient

_RATE = 50.0  # logins per second
_HANDS = 8  # threads that log in, so that a slow login holds up no other
_AROUND = 1.0  # seconds of logins before the first and after the last rotation
_ROTATED = Rotated("orders", ("orders-one", "orders-two"), ("shop-a", "shop-b"))
_PHASES = (
    "rotation.requested", "rotation.staged", "rotation.applied", "rotation.verified", "rotation.promoted",
    "secret.materialized",
)  # fmt: skip


@dataclass
class Clients:
    """Logins at a fixed rate, each with what the mount holds at its moment; none is tried twice."""

    server: BenchDatabase
    mount: Path
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    users: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._next = 0

    def __enter__(self) -> "Clients":
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._run) for _ in range(_HANDS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def rate(self) -> float:
        """Logins per second so far."""
        return len(self.seconds) / (time.monotonic() - self._began)

    def _run(self) -> None:
        while True:
            with self._turn:
                at, self._next = self._began + self._next / _RATE, self._next + 1
            if self._stopping.wait(max(0.0, at - time.monotonic())):
                return
            self._log_in()

    def _log_in(self) -> None:
        began = time.perf_counter()
        credential = mounted(self.mount)
        try:
            let_in = self.server.lets_in(credential)
        except RuntimeError as error:
            self.errors.append(str(error))
            let_in = False
        with self._turn:
            self.seconds.append(time.perf_counter() - began)
            self.users.add(credential.user)
            self.failed += not let_in


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """One credential, two accounts, two consumers; every rotation waits for the end of the one before."""
    root = directory / "rotation"
    phases: list[list[float]] = []
    totals: list[float] = []
    with bench_database() as server:
        server.make(Credential(name, "") for name in _ROTATED.accounts)
        lay_out(root, server, [_ROTATED], grace=sizes.rotation_grace)
        with Lockstep(root) as lockstep:
            seed(floor_access(root, MORE_RULES), server)
            client = ControlClient(root)
            begin(client, _ROTATED, root)
            with Clients(server, _ROTATED.targets(root)[0]) as clients:
                time.sleep(_AROUND)
                for _ in range(sizes.rotations):
                    lockstep.wait_idle()
                    took, total = _rotation(client, root)
                    phases.append(took)
                    totals.append(total)
                time.sleep(_AROUND)
                rate = clients.rate
    return _lines(clients, rate, phases, totals, sizes)


def _rotation(client: ControlClient, root: Path) -> tuple[list[float], float]:
    """Seconds of each phase until the last consumer has it, and from order to end."""
    before = accepted.newest(root)
    complete(client, _ROTATED.subject, rotate(client, _ROTATED.subject))
    # The record tells of the end before the event of it is stored.
    wait_for(lambda: "rotation.completed" in accepted.moments(root, before), "the event of its end")
    found = accepted.moments(root, before)
    marks = [found[kind][-1] for kind in _PHASES]
    return [later - earlier for earlier, later in pairwise(marks)], found["rotation.completed"][-1] - marks[0]


def _lines(clients: Clients, rate: float, phases: list[list[float]], totals: list[float], sizes: Sizes) -> list[Line]:
    if clients.errors:
        raise RuntimeError(f"logins that the server did not judge: {clients.errors[:3]}")
    if clients.users != set(_ROTATED.accounts):
        raise RuntimeError(f"only {clients.users} logged in")
    what = f"{len(totals)} planned rotations, two accounts in turn, {rate:.0f} logins/s: "
    each = ", ".join(
        f"{name} {1000 * median([one[number] for one in phases]):.0f}"
        for number, name in enumerate(("create", "apply", "verify", "promote", "materialize"))
    )
    slowest = 1000 * percentile(clients.seconds, 0.99)
    return [
        Line(f"{what}failed", "", f"{clients.failed} of {len(clients.seconds)}", "", "0", clients.failed == 0),
        Line("the same: a login, p99", "", f"{slowest:.1f} ms"),
        Line("the same: each phase until the last consumer has it, p50", "", f"{each} ms"),
        Line(
            f"the same: ordered -> old credential refused, {sizes.rotation_grace:g} s of grace, p50", "",
            f"{median(totals):.1f} s",
        ),
    ]  # fmt: skip
