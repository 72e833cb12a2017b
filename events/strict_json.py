"""JSON, read so that no two readers can understand it differently (RFC 8259 with the strictness of RFC 7493).

Python's parser takes the last of two equal keys, NaN, lone surrogates and any depth; none of that may pass here.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from events.cloudevent import MAX_NESTING
from events.errors import EventError


def parse(raw: bytes, *, nesting: int = MAX_NESTING) -> Any:
    """The value of a JSON document. Raises EventError; `nesting` is how many containers may be inside one another."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise EventError("JSON must be UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise EventError(_too_deep(nesting)) from None
    except EventError:
        raise
    except ValueError:  # json's own text has positions, but int()'s quotes what it could not read
        raise EventError("not well-formed JSON") from None
    # Most documents show at a glance that they can neither be too deep nor hold an escaped surrogate.
    if raw.count(b"[") + raw.count(b"{") > nesting:
        _check_nesting(value, nesting)
    if b"\\u" in raw:
        compact(value)
    return value


def compact(value: Any) -> bytes:
    """The shortest UTF-8 form of a JSON value. Raises EventError for text that UTF-8 cannot hold."""
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise EventError("JSON holds a lone surrogate, which is no character") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EventError("JSON names a member of an object twice")
    return members


def _no_constant(_: str) -> NoReturn:
    raise EventError("JSON has no NaN and no Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite: the literal is larger than a double holds
        raise EventError("JSON holds a number that is too large")
    return number


def _check_nesting(value: Any, nesting: int) -> None:
    level = [value]
    for _ in range(nesting + 1):
        level = [container for container in level if isinstance(container, dict | list)]
        if not level:
            return
        level = [inner for container in level for inner in _members(container)]
    raise EventError(_too_deep(nesting))


def _members(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _too_deep(nesting: int) -> str:
    return f"JSON is nested deeper than {nesting} levels"


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)
