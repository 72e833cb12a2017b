"""Follows an audit file as it grows and is rotated: renamed and made anew, or copied and cut.

A rotated file is read to its end before the new one is begun, and only once the new one has content: the authority
writes to the old one until it is told to open the file again (SIGHUP). What can have been missed is a gap, with its
reason, and never an error: the sweep after it finds what the lines would have told.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.sources.vault_audit.position import MARK, Position, opened
from infra.sources.vault_audit.splitting import LONGEST, Line, LineSplitter

BLOCK = 256 * 1024  # bytes read at once
BEHIND = 64 * 1024 * 1024  # bytes; who is further behind leaves them out: a sweep costs less than reading them


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look found. `gap`: why lines may be missing before these, "" where none are. `more`: look again."""

    lines: tuple[Line, ...] = ()
    gap: str = ""
    more: bool = False


class FileTail:
    """One audit file, by its name. For one thread. The file need not be there; it begins with its first line then.

    Without a position it begins at the file's end: what was before is for the sweep that every start makes.
    """

    def __init__(
        self, path: Path, position: Position | None = None, *, block: int = BLOCK, behind: int = BEHIND,
        longest: int = LONGEST,
    ) -> None:  # fmt: skip
        self._path = path
        self._resumed = position
        self._block = block
        self._behind = behind
        self._splitter = LineSplitter(longest)
        self._descriptor: int | None = None
        self._offset = 0
        self._mark = b""  # the last bytes before the offset
        self._waiting = False  # for a file that was not there when it was first looked for
        self._error = ""

    @property
    def error(self) -> str:
        """Why the file cannot be read now, "" where it can, or is not there."""
        return self._error

    @property
    def position(self) -> Position | None:
        """The end of the last whole line that was handed out; None before a file was opened."""
        if self._descriptor is None:
            return self._resumed
        found = os.fstat(self._descriptor)
        pending = self._splitter.pending
        mark = self._mark[: max(0, len(self._mark) - pending)]
        return Position(found.st_dev, found.st_ino, self._offset - pending, mark[-MARK:].hex())

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> Batch:
        """What came since, at most a block of it. Raises nothing: what cannot be read is `error`, and tried again."""
        try:
            batch = self._read()
        except OSError as failure:
            self._error = f"{self._path} cannot be read: {failure.strerror or type(failure).__name__}"
            return Batch()
        self._error = ""
        return batch

    def _read(self) -> Batch:
        gap = self._open() if self._descriptor is None else ""
        descriptor = self._descriptor
        if descriptor is None:
            return Batch()
        gap = gap or self._cut(descriptor) or self._far_behind(descriptor)
        lines = self._advance(descriptor)
        if lines is not None:
            return Batch(lines, gap, more=True)
        if not self._replaced(descriptor):
            return Batch((), gap)
        lines = self._advance(descriptor)  # written between the end that we saw and the first line of the new one
        if lines is not None:
            return Batch(lines, gap, more=True)
        return Batch((), gap or self._switch(descriptor), more=True)

    def _advance(self, descriptor: int) -> tuple[Line, ...] | None:
        """The lines of the next block; None at the end of the file."""
        data = os.pread(descriptor, self._block, self._offset)
        if not data:
            return None
        self._offset += len(data)
        # As much as a line under way may hold, so that a position before it has its mark.
        self._mark = (self._mark + data)[-(2 * MARK) :]
        return tuple(self._splitter.feed(data))

    # --- where to begin -----------------------------------------------------------------------------------------

    def _open(self) -> str:
        """Open the file, where it was left if that is known; what may have been missed."""
        resumed = self._resumed
        for path in self._candidates(resumed):
            with contextlib.suppress(FileNotFoundError):
                descriptor = opened(path)
                if resumed is None or resumed.holds(descriptor):
                    return self._begin(descriptor, resumed)
                os.close(descriptor)
        if resumed is None:
            self._waiting = True
            return ""
        with contextlib.suppress(FileNotFoundError):
            descriptor = opened(self._path)
            self._resumed = None
            self._begin(descriptor, None)
            return "the file that was read before is gone, or was cut"
        return ""  # neither is there: whichever comes

    def _begin(self, descriptor: int, position: Position | None) -> str:
        if position is not None:
            self._start(descriptor, position.offset, bytes.fromhex(position.mark))
        elif self._waiting:
            self._start(descriptor, 0)
        else:
            self._to_end(descriptor)
        return ""

    def _start(self, descriptor: int, offset: int, mark: bytes = b"") -> None:
        self._descriptor, self._offset, self._mark = descriptor, offset, mark
        self._splitter = LineSplitter(self._splitter.longest)

    def _to_end(self, descriptor: int) -> None:
        end = os.fstat(descriptor).st_size
        mark = os.pread(descriptor, min(MARK, end), max(0, end - MARK))
        self._start(descriptor, end, mark)
        if mark and not mark.endswith(b"\n"):
            self._splitter.skip()

    def _candidates(self, resumed: Position | None) -> Iterator[Path]:
        yield self._path
        if resumed is not None:
            yield from self._rotated()

    def _rotated(self) -> Iterator[Path]:
        """The files beside it that rotation may have made of it: its name with something behind."""
        with contextlib.suppress(OSError), os.scandir(self._path.parent) as found:
            named = [entry.name for entry in found if entry.name.startswith(self._path.name) and entry.is_file()]
            yield from (self._path.with_name(name) for name in sorted(named) if name != self._path.name)

    # --- what happens to files ----------------------------------------------------------------------------------

    def _cut(self, descriptor: int) -> str:
        """Begin again where the file was cut (copytruncate): it is short, or no longer has what was read of it."""
        size, before = os.fstat(descriptor).st_size, self._mark[-MARK:]
        if size >= self._offset and os.pread(descriptor, len(before), self._offset - len(before)) == before:
            return ""
        if size <= self._behind:
            self._start(descriptor, 0)
        else:
            self._to_end(descriptor)
        return "the file was cut, perhaps before all of it was read"

    def _far_behind(self, descriptor: int) -> str:
        if os.fstat(descriptor).st_size - self._offset <= self._behind:
            return ""
        self._to_end(descriptor)
        return f"more than {self._behind // 1024**2} MiB were still to be read"

    def _replaced(self, descriptor: int) -> bool:
        """Whether another file has the name now, and content: the authority writes there."""
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return False
        return not os.path.samestat(named, os.fstat(descriptor)) and named.st_size > 0

    def _switch(self, descriptor: int) -> str:
        former = os.fstat(descriptor)
        torn = self._splitter.pending > 0
        following = opened(self._path)
        skipped = self._between(former, os.fstat(following))
        os.close(descriptor)
        self._start(following, 0)
        if skipped:
            return "the file was rotated more than once before it was read"
        return "the rotated file ended within a line" if torn else ""

    def _between(self, former: os.stat_result, following: os.stat_result) -> bool:
        """Whether a file was rotated away that was written after the one we read and is not the one that follows."""
        for path in self._rotated():
            with contextlib.suppress(OSError):
                found = path.stat()
                known = os.path.samestat(found, former) or os.path.samestat(found, following)
                if not known and found.st_mtime_ns > former.st_mtime_ns:
                    return True
        return False
