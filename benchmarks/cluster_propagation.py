"""A source Secret patched until its target is updated, in a cluster: Lockstep against the bare script."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clusters import FLOOR, BenchCluster, bench_cluster, floor_configuration, unless_missing
from benchmarks.floor_access import floor_access
from benchmarks.floor_process import FloorProcess, floor_process
from benchmarks.manifests import PRODUCERS
from benchmarks.percentiles import percentile
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import Lockstep, cpu_seconds
from benchmarks.sizes import Sizes
from benchmarks.updates import Updates

_NAME = "ours"
_OURS, _FLOORS = "consumer-a", "floor-consumer"  # namespaces of the targets
_UNCHANGED = 10  # more secrets, which nobody touches
_SETTLE = 0.08  # seconds between changes, as in benchmarks.propagation
_BEHIND = 1.0  # seconds after which what is written behind a change (the PushSecret's status) is counted with it
_QUIET = 2.0  # seconds over which unchanged secrets must cost no call
_MORE_CALLS = 3  # than the floor: the claim, the target as it is, the PushSecret's status


@dataclass
class _Side:
    """One of the two: its source's and its target's namespace, seconds per change, calls, processor seconds."""

    source: str
    target: str
    calls_so_far: Callable[[], int]
    pid: int
    seconds: list[float] = field(default_factory=list)
    calls: float = 0.0
    cpu: float = 0.0


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Alternating changes; the same API server, OpenBao and watcher of the targets."""
    return unless_missing(
        "cluster: change -> target Secret", lambda: _measure(sizes, directory / "cluster-propagation")
    )


def _measure(sizes: Sizes, directory: Path) -> list[Line]:
    with bench_cluster(directory, [_OURS, _FLOORS]) as cluster:
        names = [_NAME, *(f"unchanged-{number}" for number in range(_UNCHANGED))]
        cluster.wire(names, [_OURS])
        cluster.make_secrets(PRODUCERS, names)
        cluster.make_secrets(FLOOR, [_NAME])
        cluster.make_secrets(_FLOORS, [_NAME])
        with cluster.lockstep(directory / "root") as lockstep:
            lockstep.wait_idle()
            given = floor_configuration(cluster, floor_access(directory / "root"), [_FLOORS])
            with floor_process("benchmarks.cluster_floor", given) as floor:
                ours, bare = _alternate(sizes.propagations, cluster, lockstep, floor)
            lockstep.wait_idle()
            before = _calls(lockstep)
            time.sleep(_QUIET)
            idle = _calls(lockstep) - before
    return _lines(ours, bare, idle)


def _alternate(count: int, cluster: BenchCluster, lockstep: Lockstep, floor: FloorProcess) -> tuple[_Side, _Side]:
    made = [0]  # the floor's calls so far
    ours = _Side(PRODUCERS, _OURS, lambda: _calls(lockstep), lockstep.process.pid)
    bare = _Side(FLOOR, _FLOORS, lambda: made[0], floor.process.pid)
    updates = Updates(cluster.api, [_OURS, _FLOORS])
    order = random.Random(1)
    try:
        for number in range(-5, count):  # the first five warm up
            if number == 0:
                time.sleep(_BEHIND)
                _begin(ours, bare)
            for side in order.sample((ours, bare), 2):
                took = _change(cluster, updates, side, f"value-{number}")
                if side is bare:
                    made[0] += floor.answer()
                if number >= 0:
                    side.seconds.append(took)
        lockstep.wait_idle()
        time.sleep(_BEHIND)
    finally:
        updates.close()
    for side in (ours, bare):
        side.calls += side.calls_so_far()
        side.cpu += cpu_seconds(side.pid)
    return ours, bare


def _begin(*sides: _Side) -> None:
    for side in sides:
        side.calls, side.cpu = -side.calls_so_far(), -cpu_seconds(side.pid)


def _change(cluster: BenchCluster, updates: Updates, side: _Side, value: str) -> float:
    time.sleep(_SETTLE)
    updates.expect([(side.target, _NAME)], value)
    began = time.perf_counter()
    cluster.change(side.source, _NAME, value)
    return updates.wait() - began


def _calls(lockstep: Lockstep) -> int:
    return sum(lockstep.all_calls())


def _lines(ours: _Side, floor: _Side, idle: int) -> list[Line]:
    count = len(ours.seconds)
    lines = []
    for share, bound in ((0.5, 1.5), (0.99, 2.0)):
        pair = Pair(1000 * percentile(floor.seconds, share), 1000 * percentile(ours.seconds, share))
        lines.append(at_most(f"cluster: change -> target Secret, p{share * 100:.0f}", pair, bound, "ms"))
    floor_calls, our_calls = floor.calls / count, ours.calls / count
    cpu = Pair(1000 * floor.cpu / count, 1000 * ours.cpu / count)
    return [
        *lines,
        Line(
            "cluster: calls per change (API server and authority)", f"{floor_calls:.2f}", f"{our_calls:.2f}",
            f"+{our_calls - floor_calls:.2f}", f"<= +{_MORE_CALLS}", our_calls <= floor_calls + _MORE_CALLS,
        ),
        Line(
            f"cluster: calls for {_UNCHANGED + 1} unchanged secrets, {_QUIET:g} s between sweeps", "", f"{idle}", "",
            "0", idle == 0,
        ),
        Line(
            "cluster: processor time per change", f"{cpu.floor:.1f} ms", f"{cpu.ours:.1f} ms", f"{cpu.ratio:.2f}"
        ),
    ]  # fmt: skip
