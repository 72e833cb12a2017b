"""What each commit of `git log -p -U0` added, as candidates with their places.

What was committed can look like anything, a patch too: a line belongs to a hunk because the hunk's header counts it,
and to a message because FORMAT indents it; how it looks decides nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from infra.hosts.cli.candidates import candidates, lines_of, pieces

FORMAT = "commit %H%n%w(0,1,1)%B"  # for `git log --format`: a message's lines begin with a space
_HUNK = re.compile(rb"@@ -[0-9]+(?:,([0-9]+))? \+([0-9]+)(?:,([0-9]+))? @@")
_COMMIT = re.compile(rb"commit ([0-9a-f]{40,64})$")
_MESSAGE = "its message"
_MOST = 5000  # lines that are held at a time


@dataclass(frozen=True, slots=True)
class Place:
    """Where a candidate is: a file and a line, and the commit that brought it."""

    file: str
    line: int
    commit: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{self.commit[:12]}:{where}" if self.commit else where


@dataclass
class _Patch:
    """Where the reader is: `old` and `new` are how many lines of the hunk are still to come."""

    commit: str = ""
    file: str = _MESSAGE
    line: int = 0
    old: int = 0
    new: int = 0
    kept: bool = False  # whether the line that was begun is one to look at
    block: list[tuple[int, bytes]] = field(default_factory=list, repr=False)

    def flushed(self) -> Iterator[tuple[Place, bytes]]:
        for one in candidates(_parts(self.block)):
            yield Place(self.file, one.line, self.commit), one.value
        self.block.clear()

    def keep(self, number: int, text: bytes) -> None:
        self.block.append((number, text))
        self.kept = True

    def in_hunk(self, text: bytes) -> None:
        mark = text[:1]
        if mark == b"\\":
            return  # no newline at the end of the line before
        if mark in (b"-", b" "):
            self.old -= 1
        if mark != b"-":
            self.new -= 1
            if mark == b"+":
                self.keep(self.line, text[1:])
            self.line += 1


def added(output: IO[bytes]) -> Iterator[tuple[Place, bytes]]:
    """Candidates of what each commit added, and of the commits' messages."""
    patch, whole = _Patch(), True
    for raw in pieces(output):
        text = raw.rstrip(b"\n")
        if not whole:  # more of a line that is longer than a piece
            if patch.kept:
                patch.keep(patch.block[-1][0] if patch.block else patch.line, text)
        else:
            patch.kept = False
            yield from _line(patch, text)
        whole = raw.endswith(b"\n")
        if len(patch.block) >= _MOST:
            yield from patch.flushed()
    yield from patch.flushed()


def _line(patch: _Patch, text: bytes) -> Iterator[tuple[Place, bytes]]:
    if patch.old > 0 or patch.new > 0:
        patch.in_hunk(text)
    elif text.startswith(b" "):
        patch.keep(0, text[1:])
    elif (found := _COMMIT.match(text)) is not None:
        yield from patch.flushed()
        patch.commit, patch.file, patch.line = found[1].decode(), _MESSAGE, 0
    elif text.startswith(b"+++ "):
        yield from patch.flushed()
        patch.file = text[4:].rstrip(b"\t").removeprefix(b"b/").decode(errors="replace").strip('"')
    elif (hunk := _HUNK.match(text)) is not None:
        yield from patch.flushed()
        patch.old, patch.line, patch.new = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)


def _parts(block: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """As `lines_of`, where the numbers are known."""
    for number, line in block:
        for _, part in lines_of([line]):
            yield number, part
