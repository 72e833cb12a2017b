"""sprig's functions on strings."""

from functions._templates.errors import Fault
from functions._templates.formatting import quoted, text
from functions._templates.limits import Budget
from functions._templates.runes import lower, title, trimmed, trimmed_of, upper
from functions._templates.signature import group, strings
from functions._templates.values import StringMap, Value


def _replace(budget: Budget, old: bytes, new: bytes, source: bytes) -> bytes:
    if not old:
        runes = source.decode(errors="surrogateescape")
        budget.work(len(source) + len(new) * (len(runes) + 1))
        parts = (rune.encode(errors="surrogateescape") for rune in runes)
        return new + b"".join(part + new for part in parts)
    budget.work(len(source) + source.count(old) * max(len(new) - len(old), 0))
    return source.replace(old, new)


def _repeat(budget: Budget, count: int, source: bytes) -> bytes:
    if count < 0:
        raise Fault("a negative count")
    budget.work(count * len(source))
    return source * count


def _indent(budget: Budget, spaces: int, source: bytes) -> bytes:
    if spaces < 0:
        raise Fault("a negative count")
    budget.work(len(source) + spaces * (source.count(b"\n") + 1))
    pad = b" " * spaces
    return pad + source.replace(b"\n", b"\n" + pad)


def _substring(_: Budget, start: int, end: int, source: bytes) -> bytes:
    if start < 0:
        start = 0
    elif end < 0 or end > len(source):
        end = len(source)
    if not 0 <= start <= end <= len(source):
        raise Fault("out of the string's range")
    return source[start:end]


def _truncate(_: Budget, count: int, source: bytes) -> bytes:
    if count < 0:
        return source[count:] if len(source) + count > 0 else source
    return source[:count]


def _cat(budget: Budget, *values: Value) -> bytes:
    return b" ".join(text(value, budget) for value in values if value is not None)


def _quote(budget: Budget, *values: Value) -> bytes:
    return b" ".join(quoted(text(value, budget), budget) for value in values if value is not None)


def _squote(budget: Budget, *values: Value) -> bytes:
    return b" ".join(b"'%s'" % text(value, budget) for value in values if value is not None)


def to_strings(budget: Budget, value: Value) -> list[bytes]:
    """sprig's strslice: the elements as strings, nil left out; what is no list alone in one."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [text(value, budget)]
    budget.step(len(value))
    return [text(each, budget) for each in value if each is not None]


def _join(budget: Budget, separator: bytes, value: Value) -> bytes:
    parts = to_strings(budget, value)
    budget.work(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _split_list(budget: Budget, separator: bytes, source: bytes, most: int = -1) -> list[bytes]:
    if most == 0:
        return []
    if not separator:
        return _characters(budget, source, most)
    budget.step(source.count(separator))
    return source.split(separator, most - 1 if most > 0 else -1)


def _characters(budget: Budget, source: bytes, most: int) -> list[bytes]:
    budget.step(len(source))
    runes = source.decode(errors="surrogateescape")
    if 0 < most < len(runes):
        runes, rest = runes[: most - 1], [runes[most - 1 :]]
    else:
        rest = []
    return [part.encode(errors="surrogateescape") for part in (*runes, *rest)]


def _without_space(_: Budget, source: bytes) -> bytes:
    if not source.isascii():
        # sprig takes each byte for a character here, and so garbles the value.
        raise Fault("the value is not ASCII; use regexReplaceAll")
    return source.translate(None, b"\t\n\v\f\r ")


def _plural(_: Budget, one: bytes, many: bytes, count: int) -> bytes:
    return one if count == 1 else many


def _numbered(parts: list[bytes]) -> StringMap:
    return StringMap({b"_%d" % at: part for at, part in enumerate(parts)})


TEXT = group("Text", (
    ("upper", "string", lambda _, s: upper(s), "In upper case"),
    ("lower", "string", lambda _, s: lower(s), "In lower case"),
    ("title", "string", lambda _, s: title(s), "With every word's first letter in title case"),
    ("trim", "string", lambda _, s: trimmed(s), "Without white space around it"),
    ("trimAll", "string string", lambda _, cut, s: trimmed_of(s, cut), "Without the first's characters around it"),
    ("trimall", "string string", lambda _, cut, s: trimmed_of(s, cut), "The same as trimAll"),
    ("trimPrefix", "string string", lambda _, cut, s: s.removeprefix(cut), "Without that prefix"),
    ("trimSuffix", "string string", lambda _, cut, s: s.removesuffix(cut), "Without that suffix"),
    ("nospace", "string", _without_space, "Without any white space; ASCII only"),
    ("replace", "string string string", _replace, "With every occurrence of the first replaced by the second"),
    ("repeat", "int string", _repeat, "So many times"),
    ("substr", "int int string", _substring, "The bytes from start to end (-1: to its end)"),
    ("trunc", "int string", _truncate, "The first (negative: the last) so many bytes"),
    ("contains", "string string", lambda _, part, s: part in s, "Whether the first is in the second"),
    ("hasPrefix", "string string", lambda _, part, s: s.startswith(part), "Whether the second starts with the first"),
    ("hasSuffix", "string string", lambda _, part, s: s.endswith(part), "Whether the second ends with the first"),
    ("quote", "any...", _quote, "In double quotes, escaped as Go does"),
    ("squote", "any...", _squote, "In single quotes, not escaped"),
    ("cat", "any...", _cat, "The arguments with spaces between them"),
    ("indent", "int string", _indent, "Every line indented by so many spaces"),
    ("nindent", "int string", lambda budget, n, s: b"\n" + _indent(budget, n, s), "A line break, then as indent"),
    ("plural", "string string int", _plural, "The first for 1, or the second"),
    ("toString", "any", lambda budget, value: text(value, budget), "As text"),
    ("toStrings", "any", lambda budget, value: strings(to_strings(budget, value)), "A list's elements as text"),
    ("join", "string any", _join, "A list's elements with the separator between them"),
    ("split", "string string", lambda b, by, s: _numbered(_split_list(b, by, s)), "The parts as a map: _0, _1, ..."),
    ("splitn", "string int string", lambda b, by, n, s: _numbered(_split_list(b, by, s, n)), "At most so many parts"),
    ("splitList", "string string", lambda b, by, s: strings(_split_list(b, by, s)), "The parts as a list"),
    ("sortAlpha", "any", lambda b, value: strings(sorted(to_strings(b, value))), "The elements as text, in order"),
))  # fmt: skip
