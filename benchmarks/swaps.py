"""Waiting for `..data` of Secrets to be swapped, as the kernel tells it."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from infra.sources.inotify import Inotify, Mask


class Swaps:
    """Watches the directories of Secrets. Made before the change, so that no swap is missed."""

    def __init__(self, directories: Iterable[Path]) -> None:
        self._inotify = Inotify()
        self._directories = {}
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True)
            self._directories[self._inotify.add(os.fspath(directory), Mask.MOVED_TO)] = directory

    def wait(self, expected: str, key: str, patience: float = 60.0) -> float:
        """When (`time.perf_counter`) the last of them leads to a content whose `key` is `expected`."""
        return self._until(lambda found: found == expected, key, patience)

    def wait_for_another(self, former: str, key: str, patience: float = 60.0) -> float:
        """When the last of them leads to a content whose `key` is not what it was."""
        return self._until(lambda found: found != former, key, patience)

    def _until(self, holds: Callable[[str], bool], key: str, patience: float) -> float:
        end = time.monotonic() + patience
        missing = set(self._directories.values())
        seen = 0.0
        while missing:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(missing)} consumers were not updated within {patience:g} s")
            for raw in self._inotify.wait(1.0):
                if raw.name == "..data":
                    now = time.perf_counter()
                    directory = self._directories[raw.wd]
                    if directory in missing and holds((directory / key).read_text()):
                        missing.discard(directory)
                        seen = max(seen, now)
        return seen

    def drain(self) -> None:
        """Forget what happened until now."""
        while self._inotify.wait(0.0):
            pass

    def close(self) -> None:
        self._inotify.close()
