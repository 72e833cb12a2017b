"""String, character and number literals, as Go writes them (Go specification, "Lexical elements")."""

import math
import re

from functions._templates.errors import Fault
from functions._templates.nodes import Number
from functions._templates.values import fits

_ESCAPE = re.compile(r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"[-+]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][-+]?[0-9]{1,6}")


def unquoted(literal: str) -> bytes:
    """The bytes of a string literal, quotes included in `literal`. Raises Fault for an escape that Go has not."""
    body = literal[1:-1]
    if literal[0] == "`":
        return body.replace("\r", "").encode()
    out, at = bytearray(), 0
    while at < len(body):
        if body[at] != "\\":
            end = body.find("\\", at)
            end = len(body) if end < 0 else end
            out += body[at:end].encode()
            at = end
            continue
        raw, at = _escape(body, at, literal[0])
        out += raw
    return bytes(out)


def character(literal: str) -> int:
    """The code point of a character literal. Raises Fault."""
    body = literal[1:-1]
    if len(body) == 1 and body != "\\":
        return ord(body)
    if body.startswith("\\"):
        match = _ESCAPE.match(body)
        if match and match.end() == len(body):
            raw, _ = _escape(body, 0, "'")
            return raw[0] if match[2] or match[3] else ord(raw.decode())
    raise Fault("malformed character constant")


def _escape(body: str, at: int, quote: str) -> tuple[bytes, int]:
    match = _ESCAPE.match(body, at)
    if match is None or (match[1] in ("'", '"') and match[1] != quote):
        raise Fault("unknown escape in a string; inside backquotes nothing needs escaping")
    simple, octal, short, medium, long = match.groups()
    if simple:
        return bytes([_SIMPLE[simple]]), match.end()
    if octal or short:
        code = int(octal, 8) if octal else int(short, 16)
        if code > 255:
            raise Fault("an octal escape beyond \\377")
        return bytes([code]), match.end()
    code = int(medium or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Fault("an escape that is no Unicode character")
    return chr(code).encode(), match.end()


def number(text: str, line: int) -> Number:
    """The number constant. Raises Fault for what is none, does not fit 64 bits, or is imaginary."""
    if _INTEGER.fullmatch(text):
        value = _integer(text.replace("_", ""))
        if not fits(value):
            raise Fault("a number constant overflows int")
        return Number(line, value, value)
    real = _real(text)
    if real is None or not math.isfinite(real):
        raise Fault("illegal number syntax")
    exact = int(real) if real == int(real) and fits(int(real)) else None
    return Number(line, exact, real)


def _integer(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    if len(digits) > 80:
        raise Fault("a number constant overflows int")
    return sign * int(digits, 0)


def _real(text: str) -> float | None:
    if _DECIMAL.fullmatch(text) and any(mark in text for mark in ".eE"):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text)
        except OverflowError:
            return None
    return None
