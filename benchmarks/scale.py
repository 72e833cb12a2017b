"""10,000 wired secrets: starting, one change, a sweep; held against an installation of ten."""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.manifests import PRODUCERS, write_wiring
from benchmarks.percentiles import median
from benchmarks.result import Line, Pair, at_most
from benchmarks.running import Lockstep
from benchmarks.secret_files import write_secret
from benchmarks.sizes import Sizes
from benchmarks.swaps import Swaps

_FEW = 10
_CONSUMER = "consumer-a"
_SETTLE = 0.08  # seconds between changes
_MOST = 1.25  # how much slower a change may be among 10,000 than among ten, to be called the same
_PATIENCE = 900.0
_CONFIGURATION = """\
apiVersion: lockstep.dev/v1alpha1
kind: Configuration
sweep: {intervalSeconds: 86400}
"""


@dataclass
class _Installation:
    """`names` are wired; the first ten of them have a source."""

    root: Path
    names: list[str]
    swaps: Swaps
    seconds: list[float] = field(default_factory=list)
    calls: float = 0.0
    first_start: float = 0.0
    start: float = 0.0
    memory: float = 0.0
    sweep_seconds: float = 0.0
    sweep_calls: int = 0


def measure(sizes: Sizes, directory: Path) -> list[Line]:
    """Both installations run at once and are changed in turn, so that the machine's moods cancel out."""
    few, many = (_prepared(directory / f"wired-{count}", count) for count in (_FEW, sizes.wired))
    for one in (few, many):
        with Lockstep(one.root, patience=_PATIENCE) as lockstep:
            one.first_start = lockstep.ready_after
            lockstep.wait_idle()
    with ExitStack() as stack:
        running = {}
        for one in (few, many):
            lockstep = stack.enter_context(Lockstep(one.root, patience=_PATIENCE))
            one.start = lockstep.ready_after
            lockstep.wait_idle()
            running[id(one)] = lockstep
        _changes(sizes.wired_samples, (few, many), running)
        for one in (few, many):
            _sweep(one, running[id(one)])
            one.memory = running[id(one)].memory()
            one.swaps.close()
    return _lines(few, many)


def _prepared(root: Path, count: int) -> _Installation:
    names = [f"secret-{number:05d}" for number in range(count)]
    write_wiring(root, names, (_CONSUMER,))
    (root / "lockstep.yaml").write_text(_CONFIGURATION, encoding="utf-8")
    for name in names[:_FEW]:
        write_secret(root / "namespaces" / PRODUCERS / name, {"username": "owner", "password": "first"})
    return _Installation(root, names, Swaps([root / "namespaces" / _CONSUMER / names[0]]))


def _changes(count: int, both: tuple[_Installation, ...], running: dict[int, Lockstep]) -> None:
    order = random.Random(1)
    for one in both:
        one.calls = -_calls(running[id(one)])
    for number in range(-3, count):  # the first three warm up
        for one in order.sample(both, len(both)):
            time.sleep(_SETTLE)
            one.swaps.drain()
            value = f"value-{number}"
            began = time.perf_counter()
            write_secret(one.root / "namespaces" / PRODUCERS / one.names[0], {"username": "owner", "password": value})
            took = one.swaps.wait(value, "password") - began
            if number >= 0:
                one.seconds.append(took)
    for one in both:
        running[id(one)].wait_idle()
        one.calls = (one.calls + _calls(running[id(one)])) / (count + 3)


def _sweep(one: _Installation, lockstep: Lockstep) -> None:
    before = _calls(lockstep)
    began = time.perf_counter()
    lockstep.sweep()
    lockstep.wait_idle()
    one.sweep_seconds = time.perf_counter() - began
    one.sweep_calls = int(_calls(lockstep) - before)


def _calls(lockstep: Lockstep) -> float:
    return float(sum(lockstep.calls().values()))


def _lines(few: _Installation, many: _Installation) -> list[Line]:
    count = f"{len(many.names):,} wired"
    change = Pair(1000 * median(few.seconds), 1000 * median(many.seconds))
    return [
        at_most(f"one change, {count} (floor: {_FEW} wired), p50", change, _MOST, "ms"),
        Line(
            f"authority calls of one change, {count}", f"{few.calls:.2f}", f"{many.calls:.2f}",
            f"{many.calls - few.calls:+.2f}", "the same", abs(many.calls - few.calls) < 0.5,
        ),
        Line(f"first start, {count}: everything is new", f"{few.first_start:.1f} s", f"{many.first_start:.1f} s"),
        Line(f"start again, {count}: nothing is", f"{few.start:.1f} s", f"{many.start:.1f} s"),
        Line(f"a sweep, {count}", f"{few.sweep_seconds:.2f} s", f"{many.sweep_seconds:.2f} s"),
        Line("authority calls of a sweep (metadata only)", f"{few.sweep_calls}", f"{many.sweep_calls:,}"),
        Line(f"resident memory of `lockstep up`, {count}", f"{few.memory:.0f} MB", f"{many.memory:.0f} MB"),
    ]  # fmt: skip
