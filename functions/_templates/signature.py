"""One function of the table: its name, its parameters' types, what it does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from functions._templates.errors import Fault
from functions._templates.values import Byte, Int64, StringMap, Value, kind_of

KINDS = frozenset({"any", "string", "int", "bool", "dict"})


class Missing:
    """No value was piped in, which is not the same as nil."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Function:
    """`parameters` are types in order, `...` after the last making it variadic; `run` is given the budget first.

    A parameter's type is checked as Go checks it: an int64 is no int, a map of strings is no dict.
    """

    name: str
    parameters: str
    run: Callable[..., Value]
    does: str
    group: str = ""
    _kinds: tuple[str, ...] = field(init=False, repr=False)
    _variadic: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kinds = tuple(self.parameters.removesuffix("...").split())
        if not set(kinds) <= KINDS:
            raise ValueError(f"parameters of {self.name}")
        object.__setattr__(self, "_kinds", kinds)
        object.__setattr__(self, "_variadic", self.parameters.endswith("..."))

    def check_count(self, count: int) -> None:
        """Raises Fault unless the function takes so many arguments."""
        fixed = len(self._kinds) - self._variadic
        if count < fixed or (count > fixed and not self._variadic):
            at_least = "at least " if self._variadic else ""
            raise Fault(f"wrong number of arguments for {self.name}: want {at_least}{fixed}, got {count}")

    def parameter(self, at: int) -> str:
        return self._kinds[min(at, len(self._kinds) - 1)]

    def accept(self, at: int, value: Value) -> Value:
        """The value as the argument at this place. Raises Fault when it has another type."""
        kind = self.parameter(at)
        if kind == "any":
            return value
        if kind == "dict" and value is None:
            return {}
        if not _fits(kind, value):
            raise Fault(f"{self.name}: expected {_ARTICLES[kind]}, got {kind_of(value)}{_hint(kind, value)}")
        return value


def _fits(kind: str, value: Value) -> bool:
    match kind:
        case "string":
            return isinstance(value, bytes)
        case "int":
            return type(value) is int
        case "bool":
            return isinstance(value, bool)
        case _:
            return type(value) is dict


_ARTICLES = {"string": "a string", "int": "an int", "bool": "a boolean", "dict": "a dict"}


def _hint(kind: str, value: Value) -> str:
    if kind == "dict" and isinstance(value, StringMap):
        return "; the data itself is a map of strings: read an optional key with index and default"
    if kind == "int" and isinstance(value, (Int64, Byte, float)):
        return "; convert it with int"
    if kind == "string" and value is not None:
        return "; convert it with toString"
    return ""


def group(name: str, rows: tuple[tuple[str, str, Callable[..., Value], str], ...]) -> tuple[Function, ...]:
    """The functions of one group, from (name, parameters, implementation, what it does)."""
    return tuple(Function(row[0], row[1], row[2], row[3], name) for row in rows)


def strings(values: list[bytes]) -> list[Value]:
    """A list of strings as a list of values."""
    return cast("list[Value]", values)
