"""A floor of the benchmarks as a process: it is told what to do, and says how many calls each change took."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.running import environment


class FloorProcess:
    """The script at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def order(self, what: object) -> None:
        """Tell it what to do, as a line of JSON."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> int:
        """The calls of the next change that it is through with. Raises RuntimeError where it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the floor ended; what it said is above")
        return int(line)


@contextmanager
def floor_process(module: str, given: Mapping[str, Any]) -> Iterator[FloorProcess]:
    """The script, from when it is ready. Raises RuntimeError where it does not start."""
    with subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment(), cwd=Path(__file__).parent.parent,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError("the floor did not start")
            yield FloorProcess(process)
        finally:
            process.terminate()
