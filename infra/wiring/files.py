"""The manifest files beneath a folder, and their content, read so that no link leads out of it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.wiring import rules
from infra.wiring.documents import LARGEST
from infra.wiring.finding import Finding

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one content of a file from the next without reading it."""

    real: str
    device: int
    inode: int
    size: int
    modified: int  # nanoseconds
    changed: int  # nanoseconds

    def settled(self, now: int) -> bool:
        """Whether a later write would certainly show: file times move in ticks, so a fresh file may hide one."""
        return now - max(self.modified, self.changed) > 2_000_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest file: its name for people, and where it really is."""

    name: str
    state: FileState


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file or folder that could not be used; what lies at or beneath `name` is unknown, not gone."""

    name: str
    finding: Finding


def walk(root: Path, name: str) -> Iterator[Found | Unusable]:
    """Every manifest file beneath a folder, ordered, each real file once. Hidden names are left out.

    Links are followed as GitOps checkouts use them (git-sync's swapped link, a ConfigMap's `..data`), as long as
    they end beneath the folder's own real place.
    """
    real_root = os.path.realpath(root)
    seen: set[str] = set()
    folders = [(real_root, name)]
    while folders:
        real, shown = folders.pop()
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.listdir(real))
        except OSError as error:
            yield _unusable(shown, f"cannot be listed: {error.strerror}")
            continue
        for entry in entries:
            if entry.startswith("."):
                continue
            found = _entry(os.path.join(real, entry), f"{shown}/{entry}", real_root)
            if isinstance(found, tuple):
                folders.append(found)
            elif isinstance(found, Unusable):
                yield found
            elif found is not None and found.state.real not in seen:
                seen.add(found.state.real)
                yield found


def locate(path: Path) -> Iterator[Found | Unusable]:
    """A file that somebody named: links are theirs to follow."""
    found = _entry(str(path), str(path), "", any_suffix=True)
    if isinstance(found, Found | Unusable):
        yield found


def _entry(path: str, name: str, root: str, *, any_suffix: bool = False) -> Found | Unusable | tuple[str, str] | None:
    """A file, a folder (real path and name), something unusable, or None for what is no manifest."""
    real = os.path.realpath(path)
    manifest = any_suffix or name.endswith(SUFFIXES)
    try:
        status = os.stat(real, follow_symlinks=False)
    except OSError as error:
        return _unusable(name, f"cannot be read: {error.strerror}") if manifest or os.path.islink(path) else None
    folder = stat.S_ISDIR(status.st_mode)
    if not folder and not manifest:
        return None
    if real != root and not real.startswith(root + os.sep):
        return _unusable(name, "is a link that leads out of the folder of the wiring")
    if folder:
        return real, name
    if not stat.S_ISREG(status.st_mode):
        return _unusable(name, "is no regular file")
    state = FileState(real, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return Found(name, state)


def read_content(found: Found) -> bytes | Unusable:
    """A file's content; a link that was put in its place meanwhile is not followed."""
    try:
        descriptor = os.open(found.state.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _unusable(found.name, f"cannot be read: {error.strerror}")
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _unusable(found.name, "is no regular file")
        try:
            return file.read(LARGEST + 1)
        except OSError as error:
            return _unusable(found.name, f"cannot be read: {error.strerror}")


def _unusable(name: str, message: str) -> Unusable:
    return Unusable(name, Finding(rules.FILE_REFUSED, name, 1, message))
