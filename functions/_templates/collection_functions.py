"""sprig's functions on lists and dicts. Where Go's map order is random, keys are sorted."""

from functions._templates.equality import canonical
from functions._templates.errors import Fault
from functions._templates.formatting import text
from functions._templates.limits import Budget
from functions._templates.number_functions import to_int
from functions._templates.signature import group, strings
from functions._templates.values import Value, kind_of, truth


def _listed(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise Fault(f"expected a list, got {kind_of(value)}")
    return value


def _unique(budget: Budget, value: Value) -> list[Value]:
    found: dict[object, Value] = {}
    for each in _listed(value):
        found.setdefault(canonical(each, budget), each)
    return list(found.values())


def _has(budget: Budget, needle: Value, haystack: Value) -> bool:
    if haystack is None:
        return False
    wanted = canonical(needle, budget)
    return any(canonical(each, budget) == wanted for each in _listed(haystack))


def _without(budget: Budget, value: Value, *omitted: Value) -> list[Value]:
    refused = {canonical(each, budget) for each in omitted}
    return [each for each in _listed(value) if canonical(each, budget) not in refused]


def _slice(_: Budget, value: Value, *places: Value) -> Value:
    items = _listed(value)
    if not items:
        return None
    start = to_int(places[0]) if places else 0
    end = to_int(places[1]) if len(places) > 1 else len(items)
    if not 0 <= start <= end <= len(items):
        raise Fault("out of the list's range")
    return items[start:end]


def _concat(budget: Budget, *lists: Value) -> list[Value]:
    budget.work(sum(8 * len(_listed(each)) for each in lists))
    return [item for each in lists for item in _listed(each)]


def _dict(budget: Budget, *items: Value) -> dict[bytes, Value]:
    found: dict[bytes, Value] = {}
    for at in range(0, len(items), 2):
        found[text(items[at], budget)] = items[at + 1] if at + 1 < len(items) else b""
    return found


def _set(_: Budget, into: dict[bytes, Value], key: bytes, value: Value) -> Value:
    into[key] = value
    return into


def _unset(_: Budget, of: dict[bytes, Value], key: bytes) -> Value:
    of.pop(key, None)
    return of


def _keys(budget: Budget, *dicts: dict[bytes, Value]) -> list[Value]:
    budget.step(sum(map(len, dicts)))
    return strings([key for each in dicts for key in sorted(each)])


def _pick(_: Budget, of: dict[bytes, Value], *keys: bytes) -> Value:
    return {key: of[key] for key in keys if key in of}


def _omit(_: Budget, of: dict[bytes, Value], *keys: bytes) -> Value:
    omitted = frozenset(keys)
    return {key: value for key, value in of.items() if key not in omitted}


def _pluck(_: Budget, key: bytes, *dicts: dict[bytes, Value]) -> list[Value]:
    return [each[key] for each in dicts if key in each]


def _dig(budget: Budget, *arguments: Value) -> Value:
    if len(arguments) < 3:
        raise Fault("needs a key, a default and a dict")
    *path, fallback, found = arguments
    for name in path:
        budget.step()
        if not isinstance(found, dict) or not isinstance(name, bytes):
            raise Fault("needs keys that are strings and dicts within each other")
        if name not in found:
            return fallback
        found = found[name]
    return found


def _default(_: Budget, fallback: Value, *given: Value) -> Value:
    return given[0] if given and truth(given[0]) else fallback


COLLECTIONS = group("Lists and dicts", (
    ("list", "any...", lambda _, *items: list(items), "A list"),
    ("tuple", "any...", lambda _, *items: list(items), "The same as list"),
    ("first", "any", lambda _, value: next(iter(_listed(value)), None), "The first element"),
    ("last", "any", lambda _, value: next(iter(_listed(value)[-1:]), None), "The last element"),
    ("rest", "any", lambda _, value: _listed(value)[1:], "All but the first element"),
    ("initial", "any", lambda _, value: _listed(value)[:-1], "All but the last element"),
    ("reverse", "any", lambda _, value: _listed(value)[::-1], "In reverse order"),
    ("append", "any any", lambda _, value, item: [*_listed(value), item], "With one more element at the end"),
    ("prepend", "any any", lambda _, value, item: [item, *_listed(value)], "With one more element at the beginning"),
    ("concat", "any...", _concat, "The lists in one"),
    ("slice", "any any...", _slice, "The elements from one index up to another"),
    ("uniq", "any", _unique, "Without repetitions"),
    ("has", "any any", _has, "Whether the first is an element of the second"),
    ("without", "any any...", _without, "Without these elements"),
    ("compact", "any", lambda _, value: [each for each in _listed(value) if truth(each)], "Without empty elements"),
    ("dict", "any...", _dict, "A dict of keys and values in turn"),
    ("get", "dict string", lambda _, of, key: of.get(key, b""), "The value of a key, an empty string without one"),
    ("set", "dict string any", _set, "The dict, changed to hold the value at the key"),
    ("unset", "dict string", _unset, "The dict, changed to be without the key"),
    ("hasKey", "dict string", lambda _, of, key: key in of, "Whether the dict has the key"),
    ("keys", "dict...", _keys, "The keys of the dicts, sorted"),
    ("values", "dict", lambda _, of: [of[key] for key in sorted(of)], "The values, in the order of the keys"),
    ("pick", "dict string...", _pick, "With these keys only"),
    ("omit", "dict string...", _omit, "Without these keys"),
    ("pluck", "string dict...", _pluck, "The values that the dicts have at a key"),
    ("dig", "any...", _dig, "The value at keys within each other, or a default"),
))  # fmt: skip

CHOICES = group("Choices", (
    ("default", "any any...", _default, "The last argument, or the first where that is empty"),
    ("empty", "any", lambda _, value: not truth(value), "Whether it is empty"),
    ("coalesce", "any...", lambda _, *values: next(filter(truth, values), None), "The first that is not empty"),
    ("ternary", "any any bool", lambda _, yes, no, which: yes if which else no, "The first if true, else the second"),
    ("all", "any...", lambda _, *values: all(map(truth, values)), "Whether none is empty"),
    ("any", "any...", lambda _, *values: any(map(truth, values)), "Whether one is not empty"),
))  # fmt: skip
