"""Bytes into lines, of which none is held whole that is longer than it may be."""

from dataclasses import dataclass

LONGEST = 1024 * 1024  # bytes of a line; one of a write holds an HMAC of 76 bytes for each string of its data
KEPT = 64 * 1024  # bytes of a longer one, which tell what it was about


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. Where it is not `whole`, `text` is how it began."""

    text: bytes
    whole: bool = True


class LineSplitter:
    """Takes bytes as they come. `pending` is how many of them belong to a line that has not ended."""

    def __init__(self, longest: int = LONGEST, kept: int = KEPT) -> None:
        self.longest, self._kept = longest, kept
        self._held = bytearray()
        self._left_out = 0  # bytes of the line under way that were not kept
        self._skipping = False

    @property
    def pending(self) -> int:
        return len(self._held) + self._left_out

    def skip(self) -> None:
        """Begin within a line: what comes before the next end of one is not told."""
        self._held.clear()
        self._left_out, self._skipping = 0, True

    def feed(self, data: bytes) -> list[Line]:
        """The lines that end within this."""
        *ended, rest = data.split(b"\n")
        found = [line for part in ended if (line := self._end(part)) is not None]
        self._add(rest)
        return found

    def _add(self, part: bytes) -> None:
        room = self.longest - len(self._held)
        if not self._left_out and len(part) <= room:
            self._held += part
            return
        if not self._left_out:
            self._held += part[:room]
            self._left_out += len(self._held) - self._kept if len(self._held) > self._kept else 0
            del self._held[self._kept :]
            part = part[room:]
        self._left_out += len(part)

    def _end(self, part: bytes) -> Line | None:
        self._add(part)
        line = Line(bytes(self._held), whole=not self._left_out)
        self._held.clear()
        self._left_out, skipped = 0, self._skipping
        self._skipping = False
        return None if skipped else line
