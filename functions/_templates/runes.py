"""Characters as Go's unicode and strings packages treat them: one by one, without Python's multi-character cases."""

from collections.abc import Callable

from functions._templates.values import text_of

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SPACE_SET = frozenset(SPACES)


def upper(raw: bytes) -> bytes:
    return raw.upper() if raw.isascii() else _mapped(raw, str.upper)


def lower(raw: bytes) -> bytes:
    return raw.lower() if raw.isascii() else _mapped(raw, lambda rune: "i" if rune == "\u0130" else rune.lower())


def _mapped(raw: bytes, change: Callable[[str], str]) -> bytes:
    out = ((rune, change(rune)) for rune in text_of(raw))
    return "".join(new if len(new) == 1 else rune for rune, new in out).encode()


def title(raw: bytes) -> bytes:
    """Every letter that begins a word in title case; the rest as it is."""
    out: list[str] = []
    before = " "
    for rune in text_of(raw):
        changed = rune.title() if _separates(before) else rune
        out.append(changed if len(changed) == 1 else rune)
        before = rune
    return "".join(out).encode()


def _separates(rune: str) -> bool:
    if rune == "_" or rune.isalpha() or rune.isdecimal():
        return False
    return rune.isascii() or rune in _SPACE_SET


def trimmed(raw: bytes) -> bytes:
    """Without white space around it. Bytes that are not UTF-8 stay as they are."""
    text = raw.decode(errors="surrogateescape")
    return text.strip(SPACES).encode(errors="surrogateescape")


def trimmed_of(raw: bytes, cutset: bytes) -> bytes:
    """Without the characters of the cutset around it."""
    if not cutset:
        return raw
    text = raw.decode(errors="surrogateescape")
    return text.strip(cutset.decode(errors="surrogateescape")).encode(errors="surrogateescape")
