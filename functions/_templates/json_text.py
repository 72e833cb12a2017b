"""JSON as Go's encoding/json reads and writes it."""

import json
import math
import re

from functions._templates.errors import Fault
from functions._templates.formatting import decimal_digits, positional, scientific
from functions._templates.limits import MAX_DEPTH, Budget
from functions._templates.values import Value, text_of

MAX_INPUT = 1024 * 1024  # bytes; the objects made of them take up to thirty times as much
_ESCAPED = re.compile(r'[\x00-\x1f"\\<>&\u2028\u2029\udc80-\udcff]')
_ESCAPED_RAW = re.compile(r'[\x00-\x1f"\\\u2028\u2029\udc80-\udcff]')  # these two are escaped without HTML escaping too
_NAMED = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def parsed(raw: bytes, budget: Budget) -> Value:
    """The value of a JSON text; numbers are floats, as in Go. Raises ValueError for what is none."""
    if len(raw) > MAX_INPUT:
        raise Fault(f"a JSON text may have {MAX_INPUT} bytes")
    try:
        found = json.loads(text_of(raw), parse_int=_number, parse_float=_number, parse_constant=_constant)
    except RecursionError:
        raise ValueError("too deep") from None
    return _imported(found, budget, 0)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("out of range")
    return value


def _constant(text: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")


def _imported(found: object, budget: Budget, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise Fault(f"JSON more than {MAX_DEPTH} deep")
    if isinstance(found, str):
        return _bytes(found)
    if isinstance(found, list):
        budget.step(len(found))
        return [_imported(each, budget, depth + 1) for each in found]
    if isinstance(found, dict):
        budget.step(len(found))
        return {_bytes(key): _imported(each, budget, depth + 1) for key, each in found.items()}
    return found if isinstance(found, (bool, float)) else None


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can bring in
        return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def written(value: Value, budget: Budget, *, html: bool = True, indent: str = "") -> bytes:
    """The value as JSON: compact, or indented; keys sorted; `<`, `>` and `&` escaped where `html`."""
    out: list[str] = []
    _Writer(out, budget, _ESCAPED if html else _ESCAPED_RAW, indent).write(value, 0)
    return "".join(out).encode()


class _Writer:
    def __init__(self, out: list[str], budget: Budget, escaped: re.Pattern[str], indent: str) -> None:
        self._out = out
        self._budget = budget
        self._escaped = escaped
        self._indent = indent

    def write(self, value: Value, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Fault(f"lists and dicts more than {MAX_DEPTH} deep")
        self._budget.step()
        if isinstance(value, bytes):
            self._string(value)
        elif isinstance(value, list):
            self._items("[", "]", [(b"", each) for each in value], depth, keyed=False)
        elif isinstance(value, dict):
            self._items("{", "}", sorted(value.items(), key=lambda item: item[0]), depth, keyed=True)
        else:
            self._out.append(scalar_text(value))

    def _string(self, raw: bytes) -> None:
        self._budget.work(len(raw))
        runes = raw.decode(errors="surrogateescape")  # a byte that is not UTF-8 is a surrogate here
        self._out.append(f'"{self._escaped.sub(_escape, runes)}"')

    def _items(self, opens: str, closes: str, items: list[tuple[bytes, Value]], depth: int, *, keyed: bool) -> None:
        self._out.append(opens)
        self._budget.work((len(self._indent) * depth + 2) * len(items))
        for at, (key, each) in enumerate(items):
            if at:
                self._out.append(",")
            self._line(depth + 1)
            if keyed:
                self._string(key)
                self._out.append(": " if self._indent else ":")
            self.write(each, depth + 1)
        if items:
            self._line(depth)
        self._out.append(closes)

    def _line(self, depth: int) -> None:
        if self._indent:
            self._out.append("\n" + self._indent * depth)


def _escape(found: re.Match[str]) -> str:
    if found[0] >= "\udc80":
        return "\\ufffd"
    return _NAMED.get(found[0]) or f"\\u{ord(found[0]):04x}"


def scalar_text(value: bool | int | float | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, float) else str(int(value))


def number_text(value: float) -> str:
    """A float as encoding/json writes it: no exponent between 1e-06 and 1e+21. Raises Fault for NaN and infinities."""
    if not math.isfinite(value):
        raise Fault("JSON has no NaN and no infinity")
    sign, digits, point = decimal_digits(value)
    if value and (abs(value) < 1e-6 or abs(value) >= 1e21):
        return sign + scientific(digits, point - 1, 1 if value and abs(value) < 1 else 2)
    return sign + positional(digits, point)
