"""What a model refuses, in words that say what to do: its validator's own are for programmers."""

from typing import Any

_LONGEST = 300  # characters of a reason


def worded(error: Any) -> str:
    """One of `ValidationError.errors()`: the place within the document, and what is wrong there."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is no field that is known here; remove it or correct its name"
    elif error["type"] == "missing":
        message = "is missing"
    place = ".".join(str(part) for part in error["loc"])
    return f"{place + ' ' if place else ''}{message[:_LONGEST]}"
