"""The functions of Go's text/template itself, but for `and` and `or`'s short-circuit, which the evaluator does."""

from urllib.parse import quote_plus

from functions._templates.errors import Fault
from functions._templates.formatting import plain, sprint
from functions._templates.limits import Budget
from functions._templates.printf import printf
from functions._templates.signature import group
from functions._templates.values import Byte, StringMap, Value, kind_of, truth

_HTML = {0: "\ufffd", 34: "&#34;", 39: "&#39;", 38: "&amp;", 60: "&lt;", 62: "&gt;"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_BASIC = (bool, int, float, bytes)


def _unreachable(_: Budget, *values: Value) -> Value:
    return values[-1]  # the evaluator answers `and` and `or` itself


def _equal(_: Budget, first: Value, *others: Value) -> bool:
    if not others:
        raise Fault("needs something to compare with")
    return any(_same(first, other) for other in others)


def _same(left: Value, right: Value) -> bool:
    if left is None or right is None:
        return left is right
    if not isinstance(left, _BASIC) or not isinstance(right, _BASIC):
        raise Fault(f"can't compare {kind_of(left)} with {kind_of(right)}")
    if _sort(left) is not _sort(right):
        raise Fault(f"incompatible types for comparison: {kind_of(left)} and {kind_of(right)}")
    return left == right


def _sort(value: Value) -> type:
    return next(kind for kind in _BASIC if isinstance(value, kind))


def _less(left: Value, right: Value) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        raise Fault(f"can't order {kind_of(left)} and {kind_of(right)}")
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left < right
    if isinstance(left, float) and isinstance(right, float):
        return left < right
    if isinstance(left, int) and isinstance(right, int):
        return left < right
    raise Fault(f"incompatible types for comparison: {kind_of(left)} and {kind_of(right)}")


def _length(_: Budget, value: Value) -> int:
    if isinstance(value, (bytes, list, dict)):
        return len(value)
    raise Fault(f"{kind_of(value)} has no length")


def _index(budget: Budget, item: Value, *places: Value) -> Value:
    if item is None:
        raise Fault("index of nil")
    for place in places:
        budget.step()
        item = _element(item, place)
    return item


def _element(item: Value, place: Value) -> Value:
    if isinstance(item, dict):
        if not isinstance(place, bytes):
            raise Fault(f"keys are strings; got {kind_of(place)}")
        # As Go's zero value: an optional key is read with `index . "key" | default "..."`.
        return item.get(place, b"" if isinstance(item, StringMap) else None)
    if not isinstance(item, (list, bytes)):
        raise Fault(f"can't index {kind_of(item)}")
    if isinstance(place, bool) or not isinstance(place, int):
        raise Fault(f"can't index {kind_of(item)} with {kind_of(place)}")
    if not 0 <= place < len(item):
        raise Fault("index out of range")
    return Byte(item[place]) if isinstance(item, bytes) else item[place]


def _printed(budget: Budget, values: tuple[Value, ...]) -> bytes:
    if len(values) == 1 and isinstance(values[0], bytes):
        return values[0]
    return sprint(tuple(b"<no value>" if value is None else value for value in values), budget)


def _println(budget: Budget, *values: Value) -> bytes:
    return b" ".join(plain(value, budget) for value in values) + b"\n"


def _html(budget: Budget, *values: Value) -> bytes:
    raw = _printed(budget, values)
    return raw.decode(errors="surrogateescape").translate(_HTML).encode(errors="surrogateescape")


def _js(budget: Budget, *values: Value) -> bytes:
    runes = _printed(budget, values).decode(errors="surrogateescape")
    return "".join(map(_js_rune, runes)).encode(errors="surrogateescape")


def _js_rune(rune: str) -> str:
    if rune in _JS:
        return _JS[rune]
    return rune if rune.isprintable() or rune == "\x7f" or "\udc80" <= rune <= "\udcff" else f"\\u{ord(rune):04X}"


def _urlquery(budget: Budget, *values: Value) -> bytes:
    return quote_plus(_printed(budget, values), safe="~").encode()


BUILTINS = group("Go", (
    ("and", "any any...", _unreachable, "The first argument that is empty, or the last"),
    ("or", "any any...", _unreachable, "The first argument that is not empty, or the last"),
    ("not", "any", lambda _, value: not truth(value), "Whether it is empty"),
    ("eq", "any any...", _equal, "Whether the first equals any of the others"),
    ("ne", "any any", lambda _, a, b: not _same(a, b), "Whether they differ"),
    ("lt", "any any", lambda _, a, b: _less(a, b), "Whether the first is smaller"),
    ("le", "any any", lambda _, a, b: _less(a, b) or _same(a, b), "Whether the first is not larger"),
    ("gt", "any any", lambda _, a, b: not (_less(a, b) or _same(a, b)), "Whether the first is larger"),
    ("ge", "any any", lambda _, a, b: not _less(a, b), "Whether the first is not smaller"),
    ("len", "any", _length, "How many bytes, elements or keys"),
    ("index", "any any...", _index, "The element at an index or key; nothing where a map has no such key"),
    ("print", "any...", lambda budget, *values: sprint(values, budget), "The arguments as text"),
    ("printf", "string any...", printf, "The arguments as text, by a format"),
    ("println", "any...", _println, "The arguments as a line of text"),
    ("html", "any...", _html, "Escaped for HTML"),
    ("js", "any...", _js, "Escaped for a JavaScript string"),
    ("urlquery", "any...", _urlquery, "Escaped for the query of a URL"),
))  # fmt: skip
