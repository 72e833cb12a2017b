"""What in a text could be a secret: tokens, what stands after `=` and `:`, passwords within addresses, PEM blocks,
and the same once more where it was base64.

A candidate is held only until it was compared. What is too guessable to have a fingerprint is no candidate.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from functions._telling import LONGEST, guessable

LONGEST_LINE = 1024 * 1024  # bytes; what is longer is looked at in pieces of this
_TOKEN = re.compile(rb"[^\s\"'`<>(){}\[\],;\\|]{8,}")
_QUOTED = re.compile(rb"\"([^\"\\]{8,4096})\"|'([^'\\]{8,4096})'")
_AFTER = re.compile(rb"[=:]\s*(\S.*)")  # to the end, white space too: to leave that to the pattern takes n² steps
_QUERY = re.compile(rb"[?&=]+")
_USERINFO = re.compile(rb"://[^:/@\s]*:([^@\s]{4,1024})@")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}={0,2}|[A-Za-z0-9_-]{12,}={0,2}")
_BEGIN, _END = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,64}-----"), re.compile(rb"-----END [A-Z0-9 ]{1,64}-----")
_RUN = re.compile(rb"[\x20-\x7e\t]{8,}")
_MOST_LINES = 2000  # of a PEM block


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be a secret, and the line that it is in (or ends in)."""

    line: int
    value: bytes = field(repr=False)


def candidates(lines: Iterable[tuple[int, bytes]]) -> Iterator[Candidate]:
    """Every candidate of numbered lines, each once for a line; as many as a line has, and no more at a time."""
    block: list[bytes] = []
    for number, line in lines:
        seen: set[bytes] = set()
        for value in _of_line(line):
            short = value.strip()
            if short not in seen and not guessable(short):
                seen.add(short)
                yield Candidate(number, short)
        block = _continued(block, line)
        if block and _END.search(line):
            whole = b"\n".join(block)
            if len(whole) <= LONGEST:
                yield Candidate(number, whole.strip())
            block = []


def lines_of(raw: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of pieces of a file; of a binary one the runs of text within it."""
    for number, line in enumerate(raw, 1):
        if b"\x00" in line:
            yield from ((number, run) for run in _RUN.findall(line))
        else:
            yield number, line


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; a longer one in pieces of LONGEST_LINE bytes."""
    yield from iter(partial(file.readline, LONGEST_LINE), b"")


def _of_line(line: bytes) -> Iterator[bytes]:
    yield line
    if after := _AFTER.search(line):
        value = after[1].rstrip()
        yield value
        yield value.strip(b"\"'")
    for first, second in _QUOTED.findall(line):
        yield first or second
    yield from _USERINFO.findall(line)
    for token in _TOKEN.findall(line):
        yield from _of_token(token)


def _of_token(token: bytes) -> Iterator[bytes]:
    yield token
    bare = token.strip(b".,:=!?&*#-")
    yield bare
    for separator in (b"=", b":", b"@"):
        before, found, after = bare.partition(separator)
        if found:
            yield before
            yield after
            yield after.rpartition(separator)[2]
    yield from _QUERY.split(bare)[:50]
    for text in {token, bare, token.partition(b"=")[2], token.partition(b":")[2]}:
        if decoded := _decoded(text):
            yield decoded
            yield from (part.strip(b"\"'") for part in re.split(rb"[\s\"',:=]+", decoded)[:50])


def _decoded(text: bytes) -> bytes:
    """What base64 (of either alphabet) stands for, where that is text."""
    if not _BASE64.fullmatch(text) or len(text) > LONGEST_LINE:
        return b""
    padded = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        raw = base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
        raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return b""
    return raw


def _continued(block: list[bytes], line: bytes) -> list[bytes]:
    if begin := _BEGIN.search(line):
        return [line[begin.start() :].strip()]
    if not block or len(block) >= _MOST_LINES:
        return []
    return [*block, line.strip()]
