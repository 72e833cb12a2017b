"""Waiting for what comes soon, with a deadline."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0  # seconds


def eventually(condition: Callable[[], object]) -> None:
    """Return once it holds. Raises AssertionError when it does not in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[int]:
    """The processes that were started with this directory in their arguments, and have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and str(directory).encode() in arguments:
            found.append(int(entry.name))
    return found
