"""The values of a template, as Go has them: strings are bytes; integers know their type; maps know theirs.

Go's `string` holds arbitrary bytes and counts in bytes, so it is `bytes` here: `len`, `trunc` and `index` then agree
with Go, and binary values pass through unchanged.
"""

from typing import TypeAlias

Value: TypeAlias = "bool | int | float | bytes | list[Value] | dict[bytes, Value] | None"

_INT_MIN, _INT_SPAN = -(1 << 63), 1 << 64


class Int64(int):
    """Go's int64: what arithmetic gives. A parameter of type int refuses it, as in Go (`| int` converts)."""

    __slots__ = ()


class Byte(int):
    """Go's uint8: what indexing a string gives."""

    __slots__ = ()


class StringMap(dict[bytes, Value]):
    """Go's map[string]string: the data that a template is given, and what `split` gives."""

    __slots__ = ()


def wrapped(number: int) -> Int64:
    """The number as an int64, wrapping around as Go's arithmetic does."""
    return Int64((number - _INT_MIN) % _INT_SPAN + _INT_MIN)


def fits(number: int) -> bool:
    return _INT_MIN <= number < -_INT_MIN


def truth(value: Value) -> bool:
    """What `if` takes for true: everything but zero, false, nil and what is empty."""
    return bool(value)


def text_of(raw: bytes) -> str:
    """The runes of a string; each byte that is not UTF-8 becomes U+FFFD by itself, as in Go."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(
            "\ufffd" if "\udc80" <= rune <= "\udcff" else rune for rune in raw.decode(errors="surrogateescape")
        )


_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"), (Int64, "an int64"), (Byte, "a byte"), (int, "an int"), (float, "a float64"),
    (bytes, "a string"), (list, "a list"), (StringMap, "a map of strings"), (dict, "a dict"),
)  # fmt: skip


def kind_of(value: Value) -> str:
    """The type of a value in words, for messages."""
    return next((name for kind, name in _NAMES if isinstance(value, kind)), "nil")


def size_of(value: Value) -> int:
    """About how many bytes a value takes by itself, without what its elements take."""
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return 8 * len(value)
    return 16 * len(value) if isinstance(value, dict) else 0
