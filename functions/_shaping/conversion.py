"""conversionStrategy: names that are no keys of a Secret, made into some and back (ESO)."""

import re
from typing import Literal

from functions._shaping.keys import joined
from functions._values import SecretData, SecretValue

Strategy = Literal["Default", "Unicode", "None", "ReverseUnicode"]

_UNFIT = re.compile(r"[^-._a-zA-Z0-9]")
_ENCODED = re.compile(r"_U([0-9a-fA-F]{4,5})_")


def convert_key(name: str, strategy: Strategy) -> str:
    """The name with each character that no key may hold as `_` (Default), or as its code point `_U0021_` (Unicode).

    ReverseUnicode takes the latter back; None leaves the name alone. ESO leaves letters beyond ASCII as they are,
    which no API server accepts; here they are converted like all others.
    """
    if strategy == "ReverseUnicode":
        return reverse_unicode(name)
    if strategy == "Default":
        return _UNFIT.sub("_", name)
    return _UNFIT.sub(lambda found: f"_U{ord(found[0]):04x}_", name) if strategy == "Unicode" else name


def reverse_unicode(name: str) -> str:
    """The name with `_U0021_` and its like as the characters they stand for; what stands for none stays."""
    return _ENCODED.sub(_character, name)


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if 0xD800 <= code <= 0xDFFF else chr(code)


def convert_keys(data: SecretData, strategy: Strategy, *, subject: str) -> dict[str, SecretValue]:
    """The data under converted keys. Raises KeyCollision where two names become one key."""
    return joined(((name, convert_key(name, strategy), value) for name, value in data.items()), subject=subject)
