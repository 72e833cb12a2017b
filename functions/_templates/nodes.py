"""The parsed template. Every node knows its line."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Dot:
    line: int


@dataclass(frozen=True, slots=True)
class Nil:
    line: int


@dataclass(frozen=True, slots=True)
class Bool:
    line: int
    value: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A constant without a type: `integer` where it is one, `ideal` is what it is without a context."""

    line: int
    integer: int | None
    ideal: int | float


@dataclass(frozen=True, slots=True)
class String:
    line: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`: fields of the dot."""

    line: int
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.a`: a variable and fields of it."""

    line: int
    name: str
    names: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """The name of a function; its arguments are the rest of the command."""

    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`, or fields of what a function without arguments gives."""

    line: int
    of: "Call | Pipe | Nil"
    names: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Command:
    line: int
    first: "Operand"
    rest: tuple["Operand", ...] = ()


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each given the result of the one before; the last result is bound to `variables`."""

    line: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = Dot | Nil | Bool | Number | String | Field | Variable | Call | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    line: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Action:
    line: int
    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` and, where it binds the dot, `with`."""

    line: int
    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]
    binds_dot: bool


@dataclass(frozen=True, slots=True)
class Range:
    line: int
    pipe: Pipe
    body: tuple["Node", ...]
    otherwise: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """`break`, or `continue`."""

    line: int
    leaves: bool


Node: TypeAlias = Text | Action | Branch | Range | Jump
