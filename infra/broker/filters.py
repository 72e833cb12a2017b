"""Trigger filters: which events a Trigger wants (Knative eventing, "Filter dialects"; reference, events.md 1).

Filters are compiled once, when a Trigger is loaded, to plain predicates over an event's attributes.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from infra.broker.errors import TriggerError

Attributes = Mapping[str, str]
Predicate = Callable[[Attributes], bool]

_NAME = re.compile(r"[a-z][a-z0-9]*")
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda have, want: have == want,
    "prefix": str.startswith,
    "suffix": str.endswith,
}
_KNOWN = (*_COMPARE, "all", "any", "not")
MAX_DEPTH = 16
ANY_ATTRIBUTE = frozenset({"*"})  # what a predicate looks at that nobody told of; no attribute has this name


def compile_filters(spec: Mapping[str, Any], where: str) -> Predicate:
    """The predicate of a Trigger's `spec`: non-empty `filters` (ANDed) override the legacy `filter.attributes`.

    `where` names the Trigger in errors. Raises TriggerError: unknown or unsupported dialect, bad names or values.
    """
    filters = spec.get("filters")
    if filters:
        return _conjunction(_dialects(filters, f"{where}: spec.filters", 0))
    legacy = spec.get("filter")
    if not legacy:
        return _everything
    if not isinstance(legacy, Mapping) or set(legacy) - {"attributes"}:
        raise TriggerError(f"{where}: spec.filter holds only 'attributes'; other dialects belong in spec.filters")
    return _legacy(legacy.get("attributes") or {}, f"{where}: spec.filter.attributes")


def attributes_asked(spec: Mapping[str, Any]) -> frozenset[str]:
    """The names of the attributes that the predicate of this `spec`, which compiles, looks at."""
    filters = spec.get("filters")
    if filters:
        return frozenset[str]().union(*map(_names, filters))
    return frozenset((spec.get("filter") or {}).get("attributes") or {})


def _names(one: Any) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for dialect, body in (one or {}).items():
        if dialect in _COMPARE:
            found |= frozenset(body or {})
        elif dialect == "not":
            found |= _names(body)
        else:
            found = found.union(*map(_names, body or []))
    return found


def _everything(attributes: Attributes) -> bool:
    return True


def _legacy(wanted: Any, where: str) -> Predicate:
    pairs = _pairs(wanted, where)

    def matches(attributes: Attributes) -> bool:
        # "" asks for any value, so long as there is one.
        return all(attributes.get(name, "") == value if value else attributes.get(name) for name, value in pairs)

    return matches


def _dialects(filters: Any, where: str, depth: int) -> list[Predicate]:
    if not isinstance(filters, list):
        raise TriggerError(f"{where} must be a list of filters")
    compiled = (_dialect(one, f"{where}[{i}]", depth) for i, one in enumerate(filters))
    return [predicate for predicate in compiled if predicate is not None]


def _dialect(spec: Any, where: str, depth: int) -> Predicate | None:
    """One filter object; None for one that is skipped (`{}`, `exact: {type: ""}`, an empty list)."""
    if depth > MAX_DEPTH:
        raise TriggerError(f"{where}: filters are nested deeper than {MAX_DEPTH}")
    if spec is None or spec == {}:
        return None
    if not isinstance(spec, Mapping):
        raise TriggerError(f"{where} must be a mapping with one dialect of {', '.join(_KNOWN)}")
    for name in spec:
        if name == "cesql":
            raise TriggerError(f"{where}: dialect 'cesql' is not supported here; write it with {', '.join(_KNOWN)}")
        if name not in _KNOWN:
            raise TriggerError(f"{where}: unknown dialect {str(name)[:40]!r}; known are {', '.join(_KNOWN)}")
    if len(spec) != 1:
        raise TriggerError(f"{where}: one dialect per filter, not {', '.join(sorted(spec))}; put them in 'all'")
    ((name, body),) = spec.items()
    return _combined(name, body, f"{where}.{name}", depth) if name not in _COMPARE else _compared(name, body, where)


def _compared(dialect: str, body: Any, where: str) -> Predicate | None:
    where = f"{where}.{dialect}"
    pairs = _pairs(body, where)
    if not any(value for _, value in pairs):
        return None
    for name, value in pairs:
        if not value:
            # Skipping the whole filter, as a lone empty value is skipped, would silently widen the Trigger.
            raise TriggerError(f"{where}: the value of {name!r} is empty beside others; remove it or give it a value")
    compare = _COMPARE[dialect]
    if len(pairs) == 1:
        ((name, value),) = pairs
        return lambda attributes: name in attributes and compare(attributes[name], value)
    return lambda attributes: all(name in attributes and compare(attributes[name], value) for name, value in pairs)


def _combined(dialect: str, body: Any, where: str, depth: int) -> Predicate | None:
    if dialect == "not":
        inner = _dialect(body, where, depth + 1)
        return None if inner is None else lambda attributes: not inner(attributes)
    parts = _dialects(body or [], where, depth + 1)
    if not parts:
        return None
    if dialect == "all":
        return _conjunction(parts)
    return lambda attributes: any(part(attributes) for part in parts)


def _conjunction(parts: list[Predicate]) -> Predicate:
    if not parts:
        return _everything
    if len(parts) == 1:
        return parts[0]
    return lambda attributes: all(part(attributes) for part in parts)


def _pairs(body: Any, where: str) -> tuple[tuple[str, str], ...]:
    if body is None:
        return ()
    if not isinstance(body, Mapping):
        raise TriggerError(f"{where} must map attribute names to values")
    for name, value in body.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TriggerError(f"{where}: {str(name)[:40]!r} is no attribute name (a-z, then a-z and 0-9)")
        if not isinstance(value, str):
            raise TriggerError(f"{where}: the value of {name!r} must be a string; quote it")
    return tuple(body.items())
