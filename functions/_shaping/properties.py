"""`property`: one value out of a path's secret, as ESO's Vault provider picks it."""

import json
import math
import re
from typing import Any

from functions._failures import Reject
from functions._shaping.keys import shown
from functions._templates.limits import MAX_DEPTH
from functions._values import SecretData, SecretValue

# What gjson has beyond names and indexes: wildcards, queries, modifiers, multipaths, pipes.
_BEYOND = re.compile(r"(?<!\\)[*?|#@!{}\[\]]")
_PIECE = re.compile(r"\\.|[^\\]|\\\Z", re.DOTALL)  # a character, or one behind a backslash
_INDEX = re.compile(r"[0-9]{1,9}")


class PropertyMissing(Reject):
    """The path's secret has no such property."""


class NotJson(Reject):
    """The value is not JSON where it has to be."""


def pick(data: SecretData, property: str, *, subject: str) -> SecretValue:  # noqa: A002  # the manifest's own word
    """The value of the key `property`; else, with dots, what the path leads to inside a value that is JSON.

    `a.b.0` is element 0 of `b` in the object at key `a`; `\\.` is a dot in a name. Strings come bare, everything
    else as its JSON. "" is the whole secret. Raises PropertyMissing naming the property and `subject`, the path.
    """
    if not property:
        return whole(data, subject=subject)
    if property in data:
        return data[property]
    if _BEYOND.search(property):
        raise PropertyMissing(
            f"{subject} has no property {shown(property)}; only names and indexes with dots between them lead into "
            "JSON (no wildcards, queries or modifiers)"
        )
    found = _descend(data, _parts(property))
    if found is None:
        raise PropertyMissing(f"{subject} has no property {shown(property)}; add it there, or correct remoteRef")
    return found


def whole(data: SecretData, *, subject: str = "the secret") -> SecretValue:
    """The whole secret as compact JSON, keys sorted. Raises NotJson naming a key whose value is not text."""
    members = {key: _text(key, data[key], subject) for key in sorted(data)}
    return SecretValue(_go_json(members))


def extract(data: SecretData, property: str, *, subject: str) -> dict[str, SecretValue]:  # noqa: A002  # as above
    """The keys and values of `dataFrom.extract`: the secret's own, or those of the object at `property`.

    Raises PropertyMissing, or NotJson where the property is no JSON object.
    """
    if not property:
        return dict(data)
    found = _parsed(pick(data, property, subject=subject).reveal())
    if not isinstance(found, dict):
        raise NotJson(f"{subject}: property {shown(property)} is not a JSON object, so nothing can be extracted of it")
    return {name: json_member(member) for name, member in found.items()}


def json_member(member: object) -> SecretValue:
    """A member of a JSON document as a value: strings bare, null empty, everything else as JSON."""
    if isinstance(member, str):
        return SecretValue(member.encode(errors="replace"))
    if member is None:
        return SecretValue(b"")
    if isinstance(member, float) and member == math.trunc(member) and abs(member) < 1e21:
        return SecretValue.of(str(int(member)))
    return SecretValue(_go_json(member))


def _parts(path: str) -> list[str]:
    parts = [""]
    for piece in _PIECE.findall(path):
        if piece == ".":
            parts.append("")
        else:
            parts[-1] += piece[-1]
    return parts


def _descend(data: SecretData, parts: list[str]) -> SecretValue | None:
    if len(parts) < 2 or parts[0] not in data:
        return None
    found = _parsed(data[parts[0]].reveal())
    for part in parts[1:]:
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and _INDEX.fullmatch(part) and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return json_member(found)


def _parsed(raw: bytes) -> Any:
    """The JSON document, None for what is none: no property leads into it."""
    try:
        return json.loads(raw, parse_constant=_refused) if _shallow(raw) else None
    except (ValueError, RecursionError):
        return None


def _refused(constant: str) -> float:
    raise ValueError(constant)


def _shallow(raw: bytes) -> bool:
    depth = 0
    for bracket in re.findall(rb"[\[{\]}]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return False
    return True


def _text(key: str, value: SecretValue, subject: str) -> str:
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        raise NotJson(
            f"{subject}: key {shown(key)} is not UTF-8 text, so it cannot stand in JSON; pick it by itself"
        ) from None


def _go_json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for rune in "<>&\u2028\u2029":  # as Go's encoder escapes them
        text = text.replace(rune, f"\\u{ord(rune):04x}")
    return text.encode(errors="replace")


__all__ = ["NotJson", "PropertyMissing", "extract", "json_member", "pick", "whole"]
