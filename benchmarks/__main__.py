"""`python -m benchmarks [NAME...]`: run the benchmarks, print the table, and write it into README.md."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    cluster_propagation,
    cluster_scale,
    cold_start,
    durable_events,
    leak,
    machine,
    propagation,
    report,
    rotation,
    rotation_storm,
    scale,
)
from benchmarks.result import Line, table
from benchmarks.sizes import FULL, QUICK, Sizes

BENCHMARKS: dict[str, Callable[[Sizes, Path], list[Line]]] = {
    "propagation": propagation.measure,
    "broker": durable_events.measure,
    "cold-start": cold_start.measure,
    "scale": scale.measure,
    "cluster_propagation": cluster_propagation.measure,
    "cluster_scale": cluster_scale.measure,
    "rotation": rotation.measure,
    "leak": leak.measure,
    "rotation_storm": rotation_storm.measure,
}


def main() -> None:
    """Exit status 0 whatever the ratios: they are for reading. README.md is written by a whole run alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--quick", action="store_true", help="a few samples only, to see that it runs")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    facts = machine.facts()
    lines = run(given.names or list(BENCHMARKS), QUICK if given.quick else FULL)
    print(f"{facts}\n\n{table(lines)}")
    if not given.names and not given.quick:
        report.write(facts, table(lines))


def run(names: list[str], sizes: Sizes) -> list[Line]:
    """The lines of these benchmarks, in a directory that is removed again."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as directory:
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            lines += BENCHMARKS[name](sizes, Path(directory))
    return lines


if __name__ == "__main__":
    main()
