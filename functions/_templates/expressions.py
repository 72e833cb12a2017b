"""Regular expressions: RE2 on bytes, with Go's rules for empty matches and for `$1` in replacements."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from functions._templates.errors import Fault

LONGEST = 1000  # bytes of a pattern
_MEMORY = 1 << 20  # bytes that one compiled pattern may take
_SCANNED = 2048  # bytes that count as one step
_REFERENCE = re.compile(rb"\$(?:(\$)|(\w+)|\{(\w+)\})")


@lru_cache(maxsize=256)
def compiled(pattern: bytes) -> Any:
    """The compiled pattern. Raises Fault without the pattern, which may come from a value."""
    if len(pattern) > LONGEST:
        raise Fault(f"a regular expression may have {LONGEST} bytes, this one has {len(pattern)}")
    import re2  # here: without an expression a process starts without it

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise Fault("not a regular expression that RE2 knows (no look-around, no back-references)") from None


def matches(pattern: bytes, text: bytes, spend: Callable[[int], None], most: int = -1) -> list[Any]:
    """The matches that do not overlap, from the left; as in Go none is empty right behind another.

    `spend` is told of each step.
    """
    expression = compiled(pattern)
    found: list[Any] = []
    at, ended = 0, -1
    while at <= len(text) and len(found) != most:
        spend(1 + (len(text) - at) // _SCANNED)  # a search may look at all that follows
        match = expression.search(text, at)
        if match is None:
            break
        start, end = match.span()
        if start < end or start != ended:
            found.append(match)
            ended = end
        at = end if end > at else _after_rune(text, at if start < end else end)
    return found


def _after_rune(text: bytes, at: int) -> int:
    at += 1
    while at < len(text) and text[at] & 0xC0 == 0x80:
        at += 1
    return at


def replaced(
    pattern: bytes, text: bytes, template: bytes, spend: Callable[[int], None], work: Callable[[int], None]
) -> bytes:
    """The text with every match replaced by the expanded template. `work` is told of each piece before it is kept."""
    out: list[bytes] = []
    at = 0
    for match in matches(pattern, text, spend):
        start, end = match.span()
        piece = _expanded(template, match)
        work(len(piece))
        out += (text[at:start], piece)
        at = end
    out.append(text[at:])
    return b"".join(out)


def _expanded(template: bytes, match: Any) -> bytes:
    """Go's Expand: `$name` takes the longest run of word characters; an unknown name is nothing."""

    def reference(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return b"$"
        name = found[2] or found[3]
        if name.isdigit():
            number = int(name[:9])
            return (match.group(number) or b"") if number <= match.re.groups else b""
        number = match.re.groupindex.get(name, match.re.groupindex.get(name.decode(), 0))
        return (match.group(number) or b"") if number else b""

    return _REFERENCE.sub(reference, template)
