"""Changes of directory trees found by looking again and again: for systems without inotify, or out of watches."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_SHARE = 20  # looking takes at most one part in this many of the time

Fingerprint = tuple[int, int, int, int]


class LookedForChanges:
    """Compares stats (inode, size, mtime, ctime) of all entries every `interval` seconds, or less often if slow."""

    def __init__(self, roots: Sequence[Path], depth: int, interval: float) -> None:
        self._roots = [str(root) for root in roots]
        self._depth = depth
        self._interval = interval
        self._bell = threading.Event()
        self._seen, self._next = self._look()

    def wait(self, timeout: float | None) -> frozenset[Path]:
        deadline = None if timeout is None else time.monotonic() + timeout
        until = self._next if deadline is None else min(self._next, deadline)
        rung = self._bell.wait(max(0.0, until - time.monotonic()))
        self._bell.clear()
        if rung or time.monotonic() < self._next:
            return frozenset()
        before = self._seen
        self._seen, self._next = self._look()
        changed = {path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path)}
        return frozenset(Path(path) for path in changed)

    def ring(self) -> None:
        self._bell.set()

    def close(self) -> None:
        self._seen = {}

    def _look(self) -> tuple[dict[str, Fingerprint], float]:
        """What is there, and when to look again."""
        began = time.monotonic()
        seen = {path: found for root in self._roots for path, found in _entries(root, self._depth + 1)}
        ended = time.monotonic()
        return seen, ended + max(self._interval, _SHARE * (ended - began))


def _entries(path: str, depth: int) -> Iterator[tuple[str, Fingerprint]]:
    try:
        status = os.stat(path, follow_symlinks=False)
        yield path, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        names = os.listdir(path) if depth > 0 and os.path.isdir(path) and not os.path.islink(path) else []
    except OSError:
        return  # gone, or not ours to read: both are what was seen
    for name in names:
        yield from _entries(os.path.join(path, name), depth - 1)
