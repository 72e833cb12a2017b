"""From an alert until what leaked is refused and every consumer has moved: Lockstep against the bare script."""

import http.client
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import accepted
from benchmarks.databases import BenchDatabase, bench_database
from benchmarks.floor_access import FOLDER, floor_access
from benchmarks.floor_process import FloorProcess, floor_process
from benchmarks.percentiles import percentile
from benchmarks.result import Line, Pair, at_most
from benchmarks.rotated import (
    BEARER,
    MORE_RULES,
    Rotated,
    begin,
    floor_configuration,
    lay_out,
    mounted,
    seed,
    wait_for,
)
from benchmarks.running import Lockstep
from benchmarks.sizes import Sizes
from benchmarks.swaps import Swaps
from examples.postgres.database import Credential
from infra.hosts.cli.client import ControlClient

_OURS = Rotated("orders", ("ours-one", "ours-two"), ("shop-a", "shop-b"))
_FLOOR = ("floor-one", "floor-two")
_WARM = 2  # leaks that are not measured
_LOOK = 0.001  # seconds between looks at the server
_SETTLE = 0.08  # seconds between leaks: both sides are idle


@dataclass
class Samples:
    """Seconds after the alert; calls to the authority, for all of them."""

    moved: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    calls: int = 0


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Leaks in turn: the same server, OpenBao, disk and number of consumers."""
    root, floor_root = directory / "leak", directory / "leak-floor"
    targets = [floor_root / name for name in _OURS.consumers]
    ours_swaps, floor_swaps = Swaps(_OURS.targets(root)), Swaps(targets)
    with bench_database() as server:
        server.make(Credential(name, "") for name in (*_OURS.accounts, *_FLOOR))
        lay_out(root, server, [_OURS])
        with Lockstep(root) as lockstep:
            access = floor_access(root, MORE_RULES)
            seed(access, server)
            begin(ControlClient(root), _OURS, root)
            given = floor_configuration(access, server, [(f"{FOLDER}/orders", _FLOOR, targets)])
            with floor_process("benchmarks.floor_rotation", given) as floor:
                floor.order([0])
                floor.answer()
                bench = Bench(lockstep, floor, server)
                sides = {
                    "ours": lambda: bench.ours(root, ours_swaps), "floor": lambda: bench.bare(targets, floor_swaps)
                }  # fmt: skip
                order = random.Random(1)
                for number in range(-_WARM, sizes.leaks):
                    if number == 0:
                        bench.forget()
                    for side in order.sample(list(sides), 2):
                        sides[side]()
    ours_swaps.close()
    floor_swaps.close()
    return _lines(bench.samples, bench.floors, bench.contained)


class Bench:
    """Both sides, side by side, and what was measured of them."""

    def __init__(self, lockstep: Lockstep, floor: FloorProcess, server: BenchDatabase) -> None:
        self._lockstep, self._floor, self._server = lockstep, floor, server
        self.forget()

    def forget(self) -> None:
        """What was measured until now was for warming up."""
        self.samples, self.floors, self.contained = Samples(), Samples(), list[float]()

    def ours(self, root: Path, swaps: Swaps) -> None:
        """One leak, until it is contained and nothing is under way."""
        before, calls, alert = accepted.newest(root), sum(self._lockstep.calls().values()), Alert(root, _OURS.path)
        _leak(alert.post, swaps, _OURS.targets(root), self._server, self.samples)
        self.contained.append(_contained(root, before))
        self._lockstep.wait_idle()
        self.samples.calls += sum(self._lockstep.calls().values()) - calls

    def bare(self, targets: list[Path], swaps: Swaps) -> None:
        """One leak, as the script answers it."""
        _leak(lambda: self._floor.order([0]), swaps, targets, self._server, self.floors)
        self.floors.calls += self._floor.answer()


class Alert:
    """A webhook of Alertmanager about one path, on a connection that is open already."""

    def __init__(self, root: Path, path: str) -> None:
        ingress = json.loads((root / "state" / "instance.json").read_text())["ingress"]
        self._connection = http.client.HTTPConnection(urlsplit(ingress).netloc, timeout=60)
        self._connection.connect()
        alert = {
            "status": "firing", "labels": {"alertname": "SecretInLog", "lockstep_path": f"secret/{path}"},
            "annotations": {}, "startsAt": datetime.now(UTC).isoformat(), "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "", "fingerprint": "5ca1ab1e0ddba115",
        }  # fmt: skip
        self._body = json.dumps({"version": "4", "groupKey": "{}", "status": "firing", "alerts": [alert]})

    def post(self) -> None:
        headers = {"authorization": f"Bearer {BEARER}", "content-type": "application/json"}
        self._connection.request("POST", "/alertmanager", self._body, headers)
        status = self._connection.getresponse().status
        self._connection.close()
        if status != 200:
            raise RuntimeError(f"the alert was answered {status}")


def _leak(tell: Callable[[], None], swaps: Swaps, targets: list[Path], server: BenchDatabase, samples: Samples) -> None:
    """The server is looked at from outside; that a login is refused is tried once, after the clock was read."""
    time.sleep(_SETTLE)
    swaps.drain()
    old = mounted(targets[0])
    accepted_by = server.verifier(old.user)
    began = time.perf_counter()
    tell()
    moved = swaps.wait_for_another(old.password, "password")
    wait_for(lambda: server.verifier(old.user) != accepted_by, "the old credential is refused", _LOOK)
    refused = time.perf_counter()
    if server.lets_in(old) or not server.lets_in(mounted(targets[-1])):
        raise RuntimeError("the old credential works, or the new one does not")
    samples.moved.append(moved - began)
    samples.refused.append(refused - began)


def _contained(root: Path, before: int) -> float:
    """Seconds from the report to containment, as the events say."""
    wait_for(lambda: "leak.contained" in accepted.moments(root, before), "containment")
    found = accepted.moments(root, before)
    return found["leak.contained"][0] - found["leak.reported"][0]


def _lines(ours: Samples, floor: Samples, contained: list[float]) -> list[Line]:
    lines = []
    for what, at in (("all consumers moved", "moved"), ("old credential refused", "refused")):
        for share in (0.5, 0.99):
            pair = Pair(1000 * percentile(getattr(floor, at), share), 1000 * percentile(getattr(ours, at), share))
            lines.append(at_most(f"leak alert -> {what}, p{share * 100:.0f}", pair, 3.0, "ms"))
    both = ", ".join(f"{1000 * percentile(contained, share):.1f} ms" for share in (0.5, 0.99))
    lines.append(Line(f"leak report -> leak.contained, p50, p99 of {len(contained)}", "", both))
    calls = Pair(floor.calls / len(floor.moved), ours.calls / len(ours.moved))
    lines.append(Line("authority calls per leak", f"{calls.floor:.1f}", f"{calls.ours:.1f}", f"{calls.ratio:.1f}"))
    return lines
