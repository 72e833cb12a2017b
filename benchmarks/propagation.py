"""A change of a source until the last consumer's files are swapped: Lockstep against the bare script."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.floor_access import FOLDER, floor_access
from benchmarks.floor_process import FloorProcess, floor_process
from benchmarks.manifests import PRODUCERS, write_wiring
from benchmarks.percentiles import percentile
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import Lockstep, cpu_seconds
from benchmarks.secret_files import write_secret
from benchmarks.sizes import Sizes
from benchmarks.swaps import Swaps

_CONSUMERS = ("consumer-a", "consumer-b")
_SETTLE = 0.08  # seconds between changes: both sides are idle, and no change shares a hint with the one before
_QUIET = 2.0  # seconds over which unchanged secrets must cost no call


@dataclass
class Samples:
    """Seconds per change, calls to the authority, processor seconds."""

    seconds: list[float] = field(default_factory=list)
    calls: float = 0.0
    cpu: float = 0.0


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Alternating changes; the same OpenBao, disk and number of consumers."""
    root = directory / "propagation"
    write_wiring(root, ["ours"], _CONSUMERS)
    source = root / "namespaces" / PRODUCERS / "ours"
    swaps = Swaps(root / "namespaces" / name / "ours" for name in _CONSUMERS)
    write_secret(source, {"username": "owner", "password": "first"})
    with Lockstep(root) as lockstep:
        swaps.wait("first", "password")
        with _floor(root, directory) as (floor, floor_source, floor_swaps):
            for warming in range(5):
                _change(source, swaps, f"warm-{warming}")
                _change(floor_source, floor_swaps, f"warm-{warming}")
                floor.answer()
            ours, bare = _alternate(sizes.propagations, lockstep, (source, swaps), floor, (floor_source, floor_swaps))
        before = sum(lockstep.calls().values())
        time.sleep(_QUIET)
        idle = sum(lockstep.calls().values()) - before
    swaps.close()
    return _lines(ours, bare, idle)


def _alternate(
    count: int, lockstep: Lockstep, ours_at: tuple[Path, Swaps], floor: FloorProcess, floor_at: tuple[Path, Swaps]
) -> tuple[Samples, Samples]:
    ours, bare = Samples(), Samples()
    order = random.Random(1)
    calls, cpu = sum(lockstep.calls().values()), cpu_seconds(lockstep.process.pid)
    floor_cpu = cpu_seconds(floor.process.pid)
    for number in range(count):
        for side in order.sample(("ours", "floor"), 2):
            if side == "ours":
                ours.seconds.append(_change(*ours_at, f"value-{number}"))
            else:
                bare.seconds.append(_change(*floor_at, f"value-{number}"))
                bare.calls += floor.answer()
    ours.calls, ours.cpu = sum(lockstep.calls().values()) - calls, cpu_seconds(lockstep.process.pid) - cpu
    bare.cpu = cpu_seconds(floor.process.pid) - floor_cpu
    return ours, bare


def _change(source: Path, swaps: Swaps, value: str) -> float:
    time.sleep(_SETTLE)
    swaps.drain()
    began = time.perf_counter()
    write_secret(source, {"username": "owner", "password": value})
    return swaps.wait(value, "password") - began


@contextmanager
def _floor(root: Path, directory: Path) -> Iterator[tuple[FloorProcess, Path, Swaps]]:
    access = floor_access(root)
    source = directory / "floor" / PRODUCERS
    targets = [directory / "floor" / name for name in _CONSUMERS]
    swaps = Swaps(targets)
    write_secret(source, {"username": "owner", "password": "first"})
    given = {
        "source": str(source), "targets": [str(target) for target in targets], "path": f"{FOLDER}/secret",
        "host": access.host, "port": access.port, "token": access.token.reveal().decode(),
    }  # fmt: skip
    try:
        with floor_process("benchmarks.floor_script", given) as floor:
            yield floor, source, swaps
    finally:
        swaps.close()


def _lines(ours: Samples, floor: Samples, idle: int) -> list[Line]:
    count = len(ours.seconds)
    lines = []
    for share, bound in ((0.5, 1.5), (0.99, 2.0)):
        pair = Pair(1000 * percentile(floor.seconds, share), 1000 * percentile(ours.seconds, share))
        lines.append(at_most(f"change -> last consumer file, p{share * 100:.0f}", pair, bound, "ms"))
    floor_calls, our_calls = floor.calls / count, ours.calls / count
    lines.append(
        Line(
            "authority calls per propagated change", f"{floor_calls:.2f}", f"{our_calls:.2f}",
            f"+{our_calls - floor_calls:.2f}", "<= +2", our_calls <= floor_calls + 2,
        )
    )  # fmt: skip
    lines.append(
        Line(f"authority calls for an unchanged secret, {_QUIET:g} s between sweeps", "", f"{idle}", "", "0", idle == 0)
    )
    cpu = Pair(1000 * floor.cpu / count, 1000 * ours.cpu / count)
    lines.append(
        Line("processor time per propagated change", f"{cpu.floor:.1f} ms", f"{cpu.ours:.1f} ms", f"{cpu.ratio:.2f}")
    )
    return lines
