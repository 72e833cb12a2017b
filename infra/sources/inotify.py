"""The kernel's own file notifications (inotify(7)), as a descriptor that wakes at once.

Why not a library: `watchfiles` looks for changes in steps (1.7 ms at its smallest, at one per cent of a core while
idle; here 0.1 ms and nothing), and does not tell that the kernel's queue overflowed, after which changes are lost.
"""

import ctypes
import errno
import os
import select
import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows
_READ = 32 * 1024  # bytes; hundreds of events at a time, in what the allocator has at hand


class Mask:
    """linux/inotify.h. Plain numbers: combining enumeration members took a tenth of a busy watch's time."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x0100_0000
    DONT_FOLLOW = 0x0200_0000
    EXCL_UNLINK = 0x0400_0000
    ISDIR = 0x4000_0000


WATCHED = (
    Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO  # entries
    | Mask.MODIFY | Mask.CLOSE_WRITE | Mask.ATTRIB  # their content, and whose they are
    | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.ONLYDIR | Mask.EXCL_UNLINK
)  # fmt: skip


class Raw(NamedTuple):
    """One notification: `name` is the entry of the watched directory `wd`, "" for that directory itself."""

    wd: int
    mask: int
    name: str


class Inotify:
    """One inotify instance. Raises OSError: EMFILE (too many instances), ENOSPC (too many watches), ENOSYS."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, "this system has no inotify")
        self._handle = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._alarm, self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._handle, select.POLLIN)
        self._poll.register(self._alarm, select.POLLIN)

    def add(self, path: str, mask: int) -> int:
        """Watch a directory; its number, the same one again for the same directory."""
        return self._checked(self._libc.inotify_add_watch(self._handle, os.fsencode(path), ctypes.c_uint32(mask)))

    def remove(self, wd: int) -> None:
        """Watch it no longer. Gone already: nothing to do."""
        self._libc.inotify_rm_watch(self._handle, wd)

    def wait(self, timeout: float | None) -> list[Raw]:
        """What happened, in order; empty after `timeout` seconds or `ring`."""
        ready = {handle for handle, _ in self._poll.poll(None if timeout is None else max(0, timeout) * 1000)}
        if self._alarm in ready:
            os.read(self._alarm, 4096)
        if self._handle not in ready:
            return []
        return list(self._read())

    def ring(self) -> None:
        """Wake who waits; from any thread."""
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            return  # it rings already

    def close(self) -> None:
        for handle in (self._handle, self._alarm, self._bell):
            os.close(handle)

    def _read(self) -> Iterator[Raw]:
        try:
            raw = os.read(self._handle, _READ)
        except BlockingIOError:
            return
        at = 0
        while at < len(raw):
            wd, mask, _, length = _HEADER.unpack_from(raw, at)
            at += _HEADER.size
            yield Raw(wd, mask, os.fsdecode(raw[at : at + length].rstrip(b"\0")))
            at += length

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
