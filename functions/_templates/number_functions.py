"""sprig's functions on numbers: whole numbers are int64, and what is no number counts as 0."""

import functools
import math
import re

from functions._templates.errors import Fault
from functions._templates.limits import Budget
from functions._templates.signature import group
from functions._templates.values import Int64, Value, fits, wrapped

_DECIMAL = re.compile(rb"[-+]?[0-9]{1,40}")
_ANY_BASE = re.compile(
    rb"[-+]?(?:0[xX](?:_?[0-9a-fA-F]){1,40}|0[oO](?:_?[0-7]){1,40}|0[bB](?:_?[01]){1,70}"
    rb"|0(?:_?[0-7]){0,40}|[1-9](?:_?[0-9]){0,40})"
)
_ZERO_DECIMALS = re.compile(rb"\.0+\Z")
_REAL = re.compile(
    rb"[-+]?(?:(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][-+]?[0-9]+)?"
    rb"|(?i:inf|infinity|nan))"
)


def _parsed(raw: bytes) -> int:
    """A string as a whole number of any base, 0 where it is none."""
    raw = _ZERO_DECIMALS.sub(b"", raw) if raw[:1] != b"." else raw
    if not _ANY_BASE.fullmatch(raw):
        return 0
    digits = raw.lstrip(b"+-").replace(b"_", b"")
    octal = len(digits) > 1 and digits[:1] == b"0" and digits[1:2].isdigit()
    number = int(digits, 8) if octal else int(digits, 0)
    number = -number if raw[:1] == b"-" else number
    return number if fits(number) else 0


def to_int(value: Value) -> int:
    if isinstance(value, bytes):
        return _parsed(value)
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and fits(int(value)) else -(1 << 63)
    return int(value) if isinstance(value, int) else 0


def _to_float(value: Value) -> float:
    if isinstance(value, bytes):
        return float(value) if len(value) <= 400 and _REAL.fullmatch(value) else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def _atoi(_: Budget, raw: bytes) -> int:
    number = int(raw) if _DECIMAL.fullmatch(raw) else 0
    return number if fits(number) else (1 << 63) - 1 if number > 0 else -(1 << 63)


def _add(_: Budget, *values: Value) -> Int64:
    return wrapped(sum(map(to_int, values)))


def _multiply(_: Budget, *values: Value) -> Int64:
    return functools.reduce(lambda product, value: wrapped(product * to_int(value)), values, Int64(1))


def _divide(_: Budget, a: Value, b: Value) -> Int64:
    left, right = to_int(a), to_int(b)
    if not right:
        raise Fault("division by zero")
    quotient = abs(left) // abs(right)
    return wrapped(quotient if (left < 0) == (right < 0) else -quotient)


def _modulo(budget: Budget, a: Value, b: Value) -> Int64:
    return wrapped(to_int(a) - _divide(budget, a, b) * to_int(b))


def _floor(value: Value) -> float:
    number = _to_float(value)
    return math.copysign(math.floor(number), number) if math.isfinite(number) else number


def _until(budget: Budget, count: int) -> list[Value]:
    return _until_step(budget, 0, count, -1 if count < 0 else 1)


def _until_step(budget: Budget, start: int, stop: int, by: int) -> list[Value]:
    if (stop < start) != (by < 0) or by == 0:
        return []
    numbers = range(start, stop, by)
    budget.step(len(numbers))
    return list(numbers)


def _seq(budget: Budget, *values: Value) -> bytes:
    numbers = [each for each in values if isinstance(each, int)]
    if len(numbers) == 1:
        numbers.insert(0, 1)
    if len(numbers) not in (2, 3):
        return b""
    start, stop = numbers[0], numbers[-1]
    step = numbers[1] if len(numbers) == 3 else (-1 if stop < start else 1)
    if stop < start and step > 0:
        return b""
    edge = -1 if stop < start else 1
    return b" ".join(b"%d" % each for each in _until_step(budget, start, stop + edge, step) if isinstance(each, int))


NUMBERS = group("Numbers", (
    ("int", "any", lambda _, value: to_int(value), "As an int"),
    ("int64", "any", lambda _, value: Int64(to_int(value)), "As an int64"),
    ("float64", "any", lambda _, value: _to_float(value), "As a float64"),
    ("atoi", "string", _atoi, "A decimal string as an int"),
    ("add", "any...", _add, "The sum"),
    ("add1", "any", lambda _, value: wrapped(to_int(value) + 1), "One more"),
    ("sub", "any any", lambda _, a, b: wrapped(to_int(a) - to_int(b)), "The difference"),
    ("mul", "any any...", _multiply, "The product"),
    ("div", "any any", _divide, "The quotient, cut off towards zero"),
    ("mod", "any any", _modulo, "What the division leaves"),
    ("max", "any any...", lambda _, *values: Int64(max(map(to_int, values))), "The largest"),
    ("min", "any any...", lambda _, *values: Int64(min(map(to_int, values))), "The smallest"),
    ("floor", "any", lambda _, value: _floor(value), "Rounded down"),
    ("ceil", "any", lambda _, value: -_floor(-_to_float(value)), "Rounded up"),
    ("until", "int", _until, "The list of the numbers from 0 up to it"),
    ("untilStep", "int int int", _until_step, "The list of the numbers from start up to stop by step"),
    ("seq", "int...", _seq, "As the command seq: the numbers with spaces between them"),
))  # fmt: skip
