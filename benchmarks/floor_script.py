"""The floor: the least that propagates a change, as a bare script. Watches, reads, writes, swaps; nothing else.

No claim, no event, no audit line, no retry, no second source: `python -m benchmarks.floor_script < configuration`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.floor_authority import FloorAuthority
from benchmarks.floor_swap import swap
from infra.sources.inotify import Inotify, Mask


class Floor:
    """One source, one path, some consumers."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._source = Path(given["source"])
        self._targets = [Path(target) for target in given["targets"]]
        self._path: str = given["path"]
        self._authority = FloorAuthority(given["host"], given["port"], given["token"])

    def run(self) -> None:
        inotify = Inotify()
        inotify.add(os.fspath(self._source), Mask.MOVED_TO)
        self._propagate()
        print("ready", flush=True)
        while True:
            if any(raw.name == "..data" for raw in inotify.wait(None)):
                self._authority.calls = 0
                self._propagate()
                print(self._authority.calls, flush=True)

    def _propagate(self) -> None:
        content = self._source / os.readlink(self._source / "..data")
        values = {entry.name: entry.read_text() for entry in content.iterdir()}
        status, answer = self._authority.ask("GET", f"secret/metadata/{self._path}")
        newest = answer["data"]["current_version"] if status == 200 else 0
        self._authority.write(self._path, values, newest)
        _, read = self._authority.read(self._path)
        for target in self._targets:
            swap(target, read)


if __name__ == "__main__":
    Floor(json.loads(sys.stdin.readline())).run()
