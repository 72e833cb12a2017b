"""`python -m benchmarks [NAME...]`: run the benchmarks, print the table, and write it into README.md."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import propagation
from benchmarks.result import Line, table
from benchmarks.sizes import FULL, QUICK, Sizes

BENCHMARKS: dict[str, Callable[[Sizes, Path], list[Line]]] = {
    "propagation": propagation.measure,
}


def main() -> None:
    """Exit status 0 whatever the ratios: they are for reading."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which ones (all)")
    arguments.add_argument("--quick", action="store_true", help="a few samples only, to see that it runs")
    given = arguments.parse_args()
    sizes = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as directory:
        for name in given.names or BENCHMARKS:
            print(table(BENCHMARKS[name](sizes, Path(directory))))


if __name__ == "__main__":
    main()
