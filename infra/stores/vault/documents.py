"""The JSON documents that Lockstep keeps at the authority: what they are called, and strict reading of them."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from events.references import PathRef
from functions._failures import Reject
from infra.stores.vault.kv import KvVersion

SCHEMA = 1
RESTORE = "restore its previous version"
MOUNT = "lockstep"  # the KV version 2 mount of claims, tombstones and anchors

_Parsed = TypeVar("_Parsed")


def name_of(directory: str, path: PathRef) -> str:
    """Where what is kept of a path is in the mount: any path fits, and none shows in the name."""
    return f"{directory}/{hashlib.sha256(str(path).encode()).hexdigest()}"


def parsed(where: str, data: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], _Parsed]) -> _Parsed:
    """What `parse` makes of a document. Raises Reject for one that somebody spoilt, or that a newer release wrote."""
    schema = data.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise Reject(f"{where} is not a document of Lockstep; restore its previous version")
    if schema > SCHEMA:
        raise Reject(f"{where} was written by a newer release (schema {schema}); update this one")
    try:
        return parse(data)
    except (KeyError, TypeError, ValueError) as error:
        raise Reject(f"{where} is malformed ({type(error).__name__}); restore its previous version") from error


def kept(
    where: str, found: KvVersion | None, parse: Callable[[Mapping[str, Any], int], _Parsed],
    about: Callable[[_Parsed], object], expected: object, *, mend: str = "delete it",
) -> _Parsed | None:  # fmt: skip
    """What `parse` makes of a document and its revision; None where there is none, or people deleted it.

    Raises Reject as `parsed` does, and for one that is not `about` what its name says.
    """
    if found is None or found.data is None:
        return None
    revision = found.number
    read = parsed(where, found.data, lambda data: parse(data, revision))
    if about(read) != expected:
        raise Reject(f"{where} is about {about(read)}: somebody moved it; {mend}")
    return read


def text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def number(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(key)
    return value


def texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = data[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(key)
    return tuple(values)


def numbers(data: Mapping[str, Any], key: str) -> tuple[int, ...]:
    values = data[key]
    if not isinstance(values, list) or not all(isinstance(value, int) for value in values):
        raise TypeError(key)
    return tuple(values)


def time(data: Mapping[str, Any], key: str) -> datetime:
    value = datetime.fromisoformat(text(data, key))
    if value.tzinfo is None:
        raise ValueError(key)
    return value
