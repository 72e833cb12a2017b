"""1,000 PushSecrets and 2,000 ExternalSecrets in a cluster: bursts of changes, starting, a sweep, memory."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clusters import FLOOR, BenchCluster, bench_cluster, floor_configuration, side_by_side, unless_missing
from benchmarks.floor_access import floor_access
from benchmarks.floor_process import FloorProcess, floor_process
from benchmarks.manifests import PRODUCERS
from benchmarks.percentiles import median
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import Lockstep
from benchmarks.sizes import Sizes
from benchmarks.updates import Updates

_OURS = ("consumer-a", "consumer-b")
_FLOORS = ("floor-consumer-a", "floor-consumer-b")
_SLOWEST = 1.5  # times the floor
_MEMORY = 150.0  # MB
# Nothing but the benchmark asks for a sweep.
_CONFIGURATION = """\
apiVersion: lockstep.dev/v1alpha1
kind: Configuration
sweep: {intervalSeconds: 86400}
"""


@dataclass(slots=True)
class _Found:
    """Seconds, calls and MB."""

    first_start: float = 0.0
    first_idle: float = 0.0
    start: float = 0.0
    start_idle: float = 0.0
    start_calls: tuple[int, int] = (0, 0)
    sweep: float = 0.0
    sweep_calls: tuple[int, int] = (0, 0)
    memory: float = 0.0


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Bursts of both in random order; the same API server, OpenBao, number of targets and watcher of them."""
    return unless_missing("cluster: a burst of changes", lambda: _measure(sizes, directory / "cluster-scale"))


def _measure(sizes: Sizes, directory: Path) -> list[Line]:
    root = directory / "root"
    names = [f"secret-{number:05d}" for number in range(sizes.cluster_wired)]
    changed = names[: sizes.burst]
    found = _Found()
    with bench_cluster(directory, [*_OURS, *_FLOORS]) as cluster:
        _prepare(cluster, root, names, changed)
        with cluster.lockstep(root) as lockstep:
            found.first_start, found.first_idle, _ = _started(lockstep)
        with cluster.lockstep(root) as lockstep:
            found.start, found.start_idle, found.start_calls = _started(lockstep)
            given = floor_configuration(cluster, floor_access(root), _FLOORS)
            with floor_process("benchmarks.cluster_floor", given) as floor:
                ours, bare = _bursts(sizes.bursts, cluster, lockstep, floor, changed)
            found.sweep, found.sweep_calls = _swept(lockstep)
            found.memory = lockstep.memory()
    return _lines(sizes, ours, bare, found)


def _prepare(cluster: BenchCluster, root: Path, names: Sequence[str], changed: Sequence[str]) -> None:
    root.mkdir()
    (root / "lockstep.yaml").write_text(_CONFIGURATION, encoding="utf-8")
    cluster.wire(names, _OURS)
    cluster.make_secrets(PRODUCERS, names)
    for namespace in (FLOOR, *_FLOORS):
        cluster.make_secrets(namespace, changed)


def _started(lockstep: Lockstep) -> tuple[float, float, tuple[int, int]]:
    """Until it is ready, from then until nothing is on its way, and the calls of all that."""
    began = time.perf_counter()
    lockstep.wait_idle()
    return lockstep.ready_after, time.perf_counter() - began, lockstep.all_calls()


def _bursts(
    rounds: int, cluster: BenchCluster, lockstep: Lockstep, floor: FloorProcess, names: Sequence[str]
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    order = random.Random(1)
    updates = Updates(cluster.api, [*_OURS, *_FLOORS])
    try:
        for number in range(rounds):
            for side in order.sample(("ours", "floor"), 2):
                if side == "ours":
                    ours.append(_burst(cluster, updates, (PRODUCERS, _OURS), names, f"burst-{number}"))
                    lockstep.wait_idle()
                else:
                    bare.append(_burst(cluster, updates, (FLOOR, _FLOORS), names, f"burst-{number}"))
                    for _ in names:
                        floor.answer()
    finally:
        updates.close()
    return ours, bare


def _burst(
    cluster: BenchCluster, updates: Updates, namespaces: tuple[str, Sequence[str]], names: Sequence[str], value: str
) -> float:
    """Seconds from the first patch until the last target is seen to be updated."""
    source, targets = namespaces

    def change(name: str) -> None:
        cluster.change(source, name, value)

    updates.expect([(target, name) for target in targets for name in names], value)
    began = time.perf_counter()
    side_by_side(change, names)
    return updates.wait() - began


def _swept(lockstep: Lockstep) -> tuple[float, tuple[int, int]]:
    before = lockstep.all_calls()
    began = time.perf_counter()
    lockstep.sweep()
    lockstep.wait_idle()
    took = time.perf_counter() - began
    after = lockstep.all_calls()
    return took, (after[0] - before[0], after[1] - before[1])


def _lines(sizes: Sizes, ours: list[float], floor: list[float], found: _Found) -> list[Line]:
    wired = f"{sizes.cluster_wired:,} PushSecrets and {len(_OURS) * sizes.cluster_wired:,} ExternalSecrets"
    return [
        at_most(
            f"cluster: a burst of {sizes.burst} changes, two targets each", Pair(median(floor), median(ours)),
            _SLOWEST, "s",
        ),
        Line(
            f"cluster: resident memory of `lockstep up`, {wired}", "", f"{found.memory:.0f} MB", "",
            f"<= {_MEMORY:.0f} MB", found.memory <= _MEMORY,
        ),
        Line(
            "cluster: first start, everything is new: ready, then converged", "",
            f"{found.first_start:.1f} s + {found.first_idle:.1f} s",
        ),
        Line("cluster: start again: ready, then idle", "", f"{found.start:.1f} s + {found.start_idle:.1f} s"),
        Line("cluster: calls of that (API server + authority)", "", _both(found.start_calls)),
        Line("cluster: a sweep", "", f"{found.sweep:.1f} s"),
        Line("cluster: calls of a sweep (API server + authority)", "", _both(found.sweep_calls)),
    ]  # fmt: skip


def _both(calls: tuple[int, int]) -> str:
    return f"{calls[0]:,} + {calls[1]:,}"
