"""sprig's functions with regular expressions."""

from functions._templates import expressions
from functions._templates.limits import Budget
from functions._templates.signature import group
from functions._templates.values import Value

_SPECIAL = frozenset(b"\\.+*?()|[]{}^$")


def _match(_: Budget, pattern: bytes, source: bytes) -> bool:
    return expressions.compiled(pattern).search(source) is not None


def _find(_: Budget, pattern: bytes, source: bytes) -> bytes:
    match = expressions.compiled(pattern).search(source)
    return bytes(match.group(0)) if match else b""


def _find_all(budget: Budget, pattern: bytes, source: bytes, most: int) -> list[Value]:
    return [bytes(match.group(0)) for match in expressions.matches(pattern, source, budget.step, most)]


def _replace(budget: Budget, pattern: bytes, source: bytes, template: bytes) -> bytes:
    return expressions.replaced(pattern, source, template, budget.step, budget.work)


def _replace_literal(budget: Budget, pattern: bytes, source: bytes, text: bytes) -> bytes:
    return expressions.replaced(pattern, source, text.replace(b"$", b"$$"), budget.step, budget.work)


def _split(budget: Budget, pattern: bytes, source: bytes, most: int) -> list[Value]:
    if most == 0:
        return []
    if pattern and not source:
        return [b""]
    parts: list[Value] = []
    begin = end = 0
    for match in expressions.matches(pattern, source, budget.step, most):
        if 0 < most == len(parts) + 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(source[begin:end])
        begin = match.end()
    if end != len(source):
        parts.append(source[begin:])
    return parts


def _quote(_: Budget, source: bytes) -> bytes:
    return b"".join(b"\\%c" % each if each in _SPECIAL else b"%c" % each for each in source)


EXPRESSIONS = group("Regular expressions (RE2)", (
    ("regexMatch", "string string", _match, "Whether the expression is found in the string"),
    ("mustRegexMatch", "string string", _match, "The same as regexMatch"),
    ("regexFind", "string string", _find, "The first match, an empty string without one"),
    ("mustRegexFind", "string string", _find, "The same as regexFind"),
    ("regexFindAll", "string string int", _find_all, "The first so many matches (-1: all)"),
    ("mustRegexFindAll", "string string int", _find_all, "The same as regexFindAll"),
    ("regexReplaceAll", "string string string", _replace, "With every match replaced; `${1}` is a group"),
    ("mustRegexReplaceAll", "string string string", _replace, "The same as regexReplaceAll"),
    ("regexReplaceAllLiteral", "string string string", _replace_literal, "With every match replaced by that text"),
    ("mustRegexReplaceAllLiteral", "string string string", _replace_literal, "The same as regexReplaceAllLiteral"),
    ("regexSplit", "string string int", _split, "Split at the matches into so many parts (-1: all)"),
    ("mustRegexSplit", "string string int", _split, "The same as regexSplit"),
    ("regexQuoteMeta", "string", _quote, "Escaped to stand for itself in an expression"),
))  # fmt: skip
