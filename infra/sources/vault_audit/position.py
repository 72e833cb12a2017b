"""Where in which file the audit stream was read to, kept so that a restart goes on there."""

import json
import os
import re
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path

MARK = 64  # bytes before a position by which its file is known again
_HEX = re.compile(r"(?:[0-9a-f]{2}){0,64}")


@dataclass(frozen=True, slots=True)
class Position:
    """The end of the last whole line that was read: which file (device and inode), how far (bytes), and its mark.

    `mark`: the last bytes before it, hexadecimal. An inode is given to another file once its own is removed.
    """

    device: int
    inode: int
    offset: int
    mark: str = ""

    def holds(self, descriptor: int) -> bool:
        """Whether this open file is the one, and still has what was read of it."""
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != (self.device, self.inode) or found.st_size < self.offset:
            return False
        mark = bytes.fromhex(self.mark)
        return os.pread(descriptor, len(mark), self.offset - len(mark)) == mark

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Position | None":
        """What `text` wrote; None for anything else, so that a spoilt file is a lost position and no crash."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or set(found) != {field.name for field in fields(cls)}:
            return None
        mark = found.pop("mark")
        numbers = [value for value in found.values() if type(value) is int and 0 <= value < 2**63]
        if len(numbers) != len(found) or not isinstance(mark, str) or not _HEX.fullmatch(mark):
            return None
        return cls(**found, mark=mark) if len(mark) // 2 <= found["offset"] else None


def opened(path: Path) -> int:
    """A descriptor of a regular file. Raises OSError, also for what is none: a pipe would be emptied by us."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file", str(path))
    return descriptor
