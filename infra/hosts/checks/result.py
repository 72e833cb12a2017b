"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """`warn`: it works, and is less safe or less complete than it could be. `action` is what to do about the rest."""

    name: str
    status: Status
    message: str
    action: str = ""


def ok(name: str, message: str) -> Check:
    return Check(name, "ok", message)


def warn(name: str, message: str, action: str) -> Check:
    return Check(name, "warn", message, action)


def fail(name: str, message: str, action: str) -> Check:
    return Check(name, "fail", message, action)


def some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
