"""How Go prints values: `%v` and its relatives (package fmt)."""

import math
from decimal import Decimal

from functions._templates.errors import Fault
from functions._templates.limits import MAX_DEPTH, Budget
from functions._templates.values import Value


def printed(value: Value, budget: Budget) -> bytes:
    """What an action writes. Raises Fault for nil, where Go would write `<no value>` into the Secret."""
    if isinstance(value, bytes):
        return value
    if value is None:
        raise Fault("the value is nil; give it a default")
    return plain(value, budget)


def plain(value: Value, budget: Budget, depth: int = 0) -> bytes:
    """`%v`: lists as `[a b]`, maps as `map[k:v]` sorted by key, nil within them as `<nil>`."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (list, dict)):
        return _composite(value, budget, depth)
    return scalar(value)


def scalar(value: bool | int | float | None) -> bytes:
    if value is None:
        return b"<nil>"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return (shortest(value) if isinstance(value, float) else str(int(value))).encode()


def _composite(value: list[Value] | dict[bytes, Value], budget: Budget, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise Fault(f"lists and dicts more than {MAX_DEPTH} deep")
    budget.step(len(value) + 1)
    if isinstance(value, list):
        parts = [plain(each, budget, depth + 1) for each in value]
        form = b"[%s]"
    else:
        parts = [b"%s:%s" % (key, plain(value[key], budget, depth + 1)) for key in sorted(value)]
        form = b"map[%s]"
    budget.work(sum(map(len, parts)) + len(parts))
    return form % b" ".join(parts)


def sprint(values: tuple[Value, ...], budget: Budget) -> bytes:
    """Go's Sprint: a space between two operands of which neither is a string."""
    out: list[bytes] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, bytes) and not isinstance(values[at - 1], bytes):
            out.append(b" ")
        out.append(plain(value, budget))
    budget.work(sum(map(len, out)))
    return b"".join(out)


def text(value: Value, budget: Budget) -> bytes:
    """sprig's strval: strings as they are, everything else as `%v`."""
    return value if isinstance(value, bytes) else plain(value, budget)


def shortest(number: float) -> str:
    """The float as `%v` writes it: the fewest digits that give it back, with an exponent from 1e+06 on."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    sign, digits, point = decimal_digits(number)
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        return sign + scientific(digits, exponent, 2)
    return sign + positional(digits, point)


def decimal_digits(number: float) -> tuple[str, str, int]:
    """Sign, shortest digits, and where the point stands: 0.digits times ten to that power."""
    sign, parts, exponent = Decimal(repr(number)).as_tuple()
    digits = "".join(map(str, parts)).lstrip("0")
    point = len(digits) + (exponent if isinstance(exponent, int) else 0)
    return "-" if sign else "", digits.rstrip("0") or "0", point if digits else 1


def positional(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    whole = digits[:point].ljust(point, "0")
    return f"{whole}.{digits[point:]}" if len(digits) > point else whole


def scientific(digits: str, exponent: int, width: int) -> str:
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):0{width}d}"


_NAMED = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}


def quoted(raw: bytes, budget: Budget, *, ascii_only: bool = False) -> bytes:
    """Go's `%q`: a double-quoted string literal with what is not printable (or not ASCII) escaped."""
    budget.work(2 * len(raw))
    runes = raw.decode(errors="surrogateescape")
    return b'"%s"' % "".join(_quoted_rune(rune, '"', ascii_only) for rune in runes).encode()


def quoted_rune(code: int) -> bytes:
    """`%q` of an integer: the character literal."""
    rune = chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"
    return f"'{_quoted_rune(rune, chr(39))}'".encode()


def _quoted_rune(rune: str, quote: str, ascii_only: bool = False) -> str:
    code = ord(rune)
    if rune == quote:
        return "\\" + quote
    if code in _NAMED:
        return _NAMED[code]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if rune.isprintable() and (code < 0x80 or not ascii_only):
        return rune
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
