"""Changes of directory trees as the kernel tells them, with nothing missed silently."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from infra.sources.inotify import WATCHED, Inotify, Mask, Raw

# Seconds. One update of a Secret is a dozen notifications within less than this; hearing each alone costs more time
# than it saves, and costs it of those who propagate the update. A rename ends an update, so it is looked out for, and
# awake: to sleep this short takes as long again.
_GATHER = 0.0005
_LINGER = 0.004  # seconds that more is listened for where nobody is in a hurry to hear
_LOOK_AGAIN = 1.0  # seconds; how often a root is looked for whose parent directory is missing too
_SAID_ONCE = Mask.MODIFY | Mask.CLOSE_WRITE | Mask.ATTRIB  # of an entry: to be told again adds nothing
_LIMITS = {errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class KernelNotifications:
    """Recursive inotify watches.

    A directory is watched before it is listed, so an entry is either listed or notified. Every root is watched from
    its parent too: it may be a file, be replaced, or come later. When the kernel's queue overflows, everything is
    watched anew and the roots are reported. Raises OSError where the kernel's limits are reached. `unhurried` tells
    directories in which changes may be told of a moment later, as many as there are by then together.
    """

    def __init__(
        self, roots: Sequence[Path], depth: int, unhurried: Callable[[str], bool] = lambda directory: False
    ) -> None:
        self._depth = depth
        self._unhurried = unhurried
        self._roots = {str(root) for root in roots}
        self._anchors = {os.path.dirname(root) for root in self._roots}
        self._paths: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._below: dict[str, set[str]] = {}  # watched directories of a tree -> those in them
        self._inotify = Inotify()
        try:
            self._watch_all()
        except OSError:
            self._inotify.close()
            raise

    def wait(self, timeout: float | None) -> frozenset[Path]:
        missing = self._anchors - self._numbers.keys()
        if missing:
            timeout = _LOOK_AGAIN if timeout is None else min(timeout, _LOOK_AGAIN)
        changed = {path for raw in self._heard(timeout) for path in self._changes(raw)}
        for anchor in missing:
            changed.update(self._watch_anchor(anchor))
        return frozenset(Path(path) for path in changed)

    def ring(self) -> None:
        self._inotify.ring()

    def close(self) -> None:
        self._inotify.close()

    def _heard(self, timeout: float | None) -> Iterator[Raw]:
        heard = self._inotify.wait(timeout)
        if heard and all(map(self._unhurried, {self._paths.get(raw.wd, "") for raw in heard})):
            time.sleep(_LINGER)
            heard += self._inotify.wait(0)
        elif heard:
            self._gather(heard)
        told: set[tuple[int, str]] = set()
        for raw in heard:
            if raw.mask & ~_SAID_ONCE or (raw.wd, raw.name) not in told:
                told.add((raw.wd, raw.name))
                yield raw

    def _gather(self, heard: list[Raw]) -> None:
        end = time.monotonic() + _GATHER
        fresh = heard
        while not any(raw.mask & Mask.MOVED_TO for raw in fresh) and time.monotonic() < end:
            os.sched_yield()  # to whoever is writing, should there be one processor alone
            fresh = self._inotify.wait(0)
            heard += fresh

    # --- what happened ---------------------------------------------------------------------------------------

    def _changes(self, raw: Raw) -> Iterator[str]:
        if raw.mask & Mask.OVERFLOW:
            self._watch_all()
            yield from self._roots
            return
        directory = self._paths.get(raw.wd)
        if directory is None:
            return  # of a watch that was given up
        if raw.mask & Mask.IGNORED:
            self._forget(raw.wd, directory)
        elif raw.mask & Mask.MOVE_SELF and directory in self._anchors:
            yield from self._watch_anchor(directory)  # whatever bears the name now
        elif raw.name:
            path = os.path.join(directory, raw.name)
            if directory in self._below or path in self._roots:
                self._follow(path, raw.mask)
                yield path

    def _follow(self, path: str, mask: int) -> None:
        if not mask & Mask.ISDIR:
            return
        if mask & (Mask.DELETE | Mask.MOVED_FROM):
            self._unwatch_tree(path)
        elif mask & (Mask.CREATE | Mask.MOVED_TO):
            self._watch_tree(path, self._depth_of(path))

    def _depth_of(self, path: str) -> int:
        """How many directories deep below `path` still to watch; below 0, not even itself."""
        depths = [
            self._depth - path[len(root) :].count("/")
            for root in self._roots
            if path == root or path.startswith(root + "/")
        ]
        return max(depths, default=-1)

    # --- what is watched -------------------------------------------------------------------------------------

    def _watch_all(self) -> None:
        before = set(self._paths)
        self._paths, self._numbers, self._below = {}, {}, {}
        for anchor in self._anchors:
            self._watch_anchor(anchor)
        for stale in before - self._paths.keys():
            self._inotify.remove(stale)

    def _watch_anchor(self, anchor: str) -> list[str]:
        """Watch the parent of roots, and them; the roots that may have changed by that."""
        before = self._numbers.pop(anchor, None)
        found = self._watch(anchor, follow=True)  # what lies above the roots is the operator's, symlinks included
        if before is not None and self._numbers.get(anchor) != before:
            self._paths.pop(before, None)
            self._inotify.remove(before)
        roots = [root for root in self._roots if os.path.dirname(root) == anchor]
        for root in roots:
            if found:
                self._watch_tree(root, self._depth)
            else:
                self._unwatch_tree(root)
        return roots if found else []

    def _watch_tree(self, path: str, depth: int) -> None:
        if depth < 0 or not self._watch(path):
            return
        self._below.setdefault(path, set())
        self._below.get(os.path.dirname(path), set()).add(path)
        if depth == 0:
            return
        try:
            with os.scandir(path) as entries:
                directories = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return  # gone or exchanged again, which is notified too; or not ours to read
        for directory in directories:
            self._watch_tree(directory, depth - 1)

    def _watch(self, path: str, *, follow: bool = False) -> bool:
        try:
            number = self._inotify.add(path, WATCHED if follow else WATCHED | Mask.DONT_FOLLOW)
        except OSError as error:
            if error.errno in _LIMITS:
                raise
            return False  # gone again, no directory, or not ours to read
        self._paths[number] = path
        self._numbers[path] = number
        return True

    def _unwatch_tree(self, path: str) -> None:
        for directory in self._below.pop(path, set()):
            self._unwatch_tree(directory)
        self._below.get(os.path.dirname(path), set()).discard(path)
        number = self._numbers.pop(path, None)
        if number is not None and path not in self._anchors:
            self._paths.pop(number, None)
            self._inotify.remove(number)

    def _forget(self, number: int, path: str) -> None:
        del self._paths[number]
        if self._numbers.get(path) == number:  # another directory may bear the name by now
            del self._numbers[path]
            self._below.pop(path, None)
            self._below.get(os.path.dirname(path), set()).discard(path)
