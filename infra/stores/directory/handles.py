"""Opening beneath directory handles: every name is one component, no symlink is followed, owners are checked.

As openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) would, for the one-component names that this layout has.
"""

import os
import stat
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from functions._failures import Reject

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a fifo put in a file's place between look and open must not hang us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Moved(Exception):
    """What was listed is no longer what is there: look again."""


class FileStat(NamedTuple):
    """What tells one content of a file from another without reading it.

    A tuple, as a look makes and compares many.
    """

    size: int  # bytes
    mtime: int  # ns
    inode: int
    ctime: int  # ns; the one that `touch` and `cp -p` cannot set back

    @classmethod
    def of(cls, status: os.stat_result) -> "FileStat":
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Place:
    """An open directory, the reference that messages name it by, and the users whose files are believed there."""

    handle: int
    subject: object
    trusted: frozenset[int]

    def directory(self, name: str, subject: object = None) -> "Opening":
        """The directory `name` in it. Raises OSError (ENOENT where there is none) and Reject for a foreign owner."""
        return Opening(name, self.handle, subject or self.subject, self.trusted)

    def names(self) -> list[str]:
        return os.listdir(self.handle)

    def status(self) -> os.stat_result:
        return os.fstat(self.handle)

    def link(self, name: str) -> str | None:
        """Where the symlink `name` leads. None where there is nothing, "" where something else lies there."""
        try:
            return os.readlink(name, dir_fd=self.handle)
        except FileNotFoundError:
            return None
        except OSError:  # EINVAL: no symlink
            return ""

    def stat(self, name: str) -> FileStat:
        """The stat of a file that may be read. Raises Moved where it vanished, Reject where it is no plain file."""
        return FileStat.of(self._regular(name))

    def read(self, name: str, limit: int) -> tuple[bytes, FileStat]:
        """At most `limit` + 1 bytes of a file and its stat, the same before and after. Raises as `stat` does."""
        self._regular(name)  # first: opening a device may have effects
        try:
            handle = os.open(name, _FILE, dir_fd=self.handle)
        except FileNotFoundError:
            raise Moved from None
        try:
            status = os.fstat(handle)
            self._refuse_special(name, status)
            found, size = FileStat.of(status), min(status.st_size, limit)
            raw = _read(handle, size + 1)
            if len(raw) < size or FileStat.of(os.fstat(handle)) != found:
                raise Moved
            return raw, found
        finally:
            os.close(handle)

    def refuse_foreign(self, what: str, status: os.stat_result) -> None:
        if status.st_uid not in self.trusted:
            raise Reject(
                f"{self.subject}: {what} belongs to uid {status.st_uid}, who does not own this namespace: "
                "chown it, or configure that user as the namespace's owner"
            )

    def _regular(self, name: str) -> os.stat_result:
        try:
            status = os.stat(name, dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            raise Moved from None
        self._refuse_special(name, status)
        return status

    def _refuse_special(self, name: str, status: os.stat_result) -> None:
        shown = f"{name[:80]!a}"
        if stat.S_ISLNK(status.st_mode):
            raise Reject(f"{self.subject}: {shown} is a foreign symlink, which is never followed: write a regular file")
        if not stat.S_ISREG(status.st_mode):
            raise Reject(f"{self.subject}: {shown} is no regular file; a Secret holds files alone: remove it")
        if status.st_nlink > 1:
            raise Reject(f"{self.subject}: {shown} has several hard links, so others may change it: copy it instead")
        self.refuse_foreign(shown, status)


class Opening:
    """A directory that is open within a block: `name` beneath a handle, or a whole path beneath none.

    A class, as four of these are opened for each look at a Secret.
    """

    __slots__ = ("_beneath", "_name", "_place")

    def __init__(self, name: str, beneath: int | None, subject: object, trusted: frozenset[int]) -> None:
        self._name, self._beneath = name, beneath
        self._place = Place(-1, subject, trusted)

    def __enter__(self) -> Place:
        handle = os.open(self._name, _DIRECTORY, dir_fd=self._beneath)
        self._place = place = Place(handle, self._place.subject, self._place.trusted)
        try:
            place.refuse_foreign("its directory", os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return place

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._place.handle)


def _read(handle: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(handle, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
