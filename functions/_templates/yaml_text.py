"""YAML as ESO reads and writes it (sigs.k8s.io/yaml: YAML 1.1 by way of JSON)."""

import functools
import math
import re
from typing import Any

import yaml

from functions._templates.errors import Fault
from functions._templates.formatting import decimal_digits, positional, scientific
from functions._templates.json_text import scalar_text
from functions._templates.limits import MAX_DEPTH, Budget
from functions._templates.values import Value, fits, text_of

MAX_INPUT = 64 * 1024  # bytes; Python reads about one such document in a quarter of a second
_WRITING = 10  # steps that writing one node counts as
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]*|0[bB][01]+|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?")
_STRING = "tag:yaml.org,2002:str"
_PLAIN = "?"
_COLLECTIONS: dict[type[yaml.Node], str] = {
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}


def parsed(raw: bytes, budget: Budget) -> dict[bytes, Value]:
    """The mapping that a YAML document holds. Raises Fault: not YAML, not a mapping, an alias, too large."""
    if len(raw) > MAX_INPUT:
        raise Fault(f"a YAML document may have {MAX_INPUT} bytes")
    budget.step(len(raw) // 2)
    budget.work(32 * len(raw))
    try:
        node = yaml.compose(text_of(raw), Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Fault("the value is not YAML that can be read (aliases are refused)") from None
    value = None if node is None else _value(node, budget, 0)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Fault("the YAML document is not a mapping")
    return value


class _Loader(yaml.SafeLoader):
    """Composes nodes without aliases, which could make a small document large."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("alias")
        return super().compose_node(parent, index)

    def resolve(self, kind: type[yaml.Node], value: object, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STRING
        return _COLLECTIONS[kind]


def _value(node: yaml.Node, budget: Budget, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise Fault(f"YAML more than {MAX_DEPTH} deep")
    budget.step()
    if isinstance(node, yaml.MappingNode):
        found: dict[bytes, Value] = {}
        for key, value in node.value:
            name = _key(_value(key, budget, depth + 1))
            if name in found:
                raise Fault("a key stands twice in the YAML document")
            found[name] = _value(value, budget, depth + 1)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, budget, depth + 1) for each in node.value]
    return _scalar_value(node)


def _scalar_value(node: yaml.Node) -> Value:
    """Whatever is quoted is a string; a tag other than !!str could make anything of the text and is refused."""
    if node.tag not in (_PLAIN, _STRING):
        raise Fault("the YAML document has a tag other than !!str")
    return resolved(node.value) if node.tag == _PLAIN else str(node.value).encode()


def _key(value: Value) -> bytes:
    """Keys of JSON objects are strings, so other scalars become the text that JSON has for them."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return real_text(value).encode()
    raise Fault("a key of the YAML document is no string, number or boolean")


def resolved(text: str) -> Value:
    """What a plain scalar means. Numbers are floats, as after JSON."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    plain = text.replace("_", "") if text[0] in "0123456789+-." else ""
    if _INTEGER.fullmatch(plain):
        number = _integer(plain)
        if number is not None:
            return float(number)
    if plain and _REAL.fullmatch(plain):
        return float(plain)
    if _SPECIAL.fullmatch(text):
        raise Fault("a YAML document with NaN or an infinity has no JSON form")
    return text.encode()


def _integer(plain: str) -> int | None:
    digits = plain.lstrip("+-")
    sign = -1 if plain[0] == "-" else 1
    if len(digits) > 70:
        return None
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    number = sign * (int(digits, 8) if octal else int(digits, 0))
    return number if fits(number) or 0 <= number < 1 << 64 else None


# --- writing


def written(value: Value, budget: Budget) -> bytes:
    """The value as a YAML document without the closing line break."""
    node = _node(value, budget, 0)
    text = yaml.serialize(node, Dumper=_Dumper, allow_unicode=True)
    text = text.removesuffix("...\n") if isinstance(node, yaml.ScalarNode) else text
    return text.removesuffix("\n").encode()


class _Dumper(yaml.SafeDumper):
    """Leaves the choice of quotes to `_scalar`, as plain is what go-yaml takes for plain."""

    def resolve(self, kind: type[yaml.Node], value: object, implicit: Any) -> str:
        return _STRING if kind is yaml.ScalarNode else _COLLECTIONS[kind]

    def check_simple_key(self) -> bool:
        empty = isinstance(self.event, yaml.ScalarEvent) and not self.event.value
        return empty or bool(super().check_simple_key())


def _node(value: Value, budget: Budget, depth: int) -> yaml.Node:
    if depth > MAX_DEPTH:
        raise Fault(f"lists and dicts more than {MAX_DEPTH} deep")
    budget.step(_WRITING)
    if isinstance(value, list):
        items = [_node(each, budget, depth + 1) for each in value]
        return yaml.SequenceNode("tag:yaml.org,2002:seq", items, flow_style=not items)
    if isinstance(value, dict):
        pairs: list[Any] = []
        for key in sorted(value, key=functools.cmp_to_key(_natural)):
            pairs.append((_scalar(key, budget), _node(value[key], budget, depth + 1)))
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
    return _scalar(value, budget)


def _scalar(value: bytes | bool | int | float | None, budget: Budget) -> yaml.ScalarNode:
    if isinstance(value, bytes):
        budget.work(8 * len(value))
        text = text_of(value)
        style = "|" if "\n" in text else None if _needs_no_quotes(text) else '"'
        return yaml.ScalarNode(_STRING, text, style=style)
    return yaml.ScalarNode(_STRING, real_text(value) if isinstance(value, float) else scalar_text(value))


def _needs_no_quotes(text: str) -> bool:
    if not text or _BASE60.fullmatch(text) or _SPECIAL.fullmatch(text) or _TIMESTAMP.fullmatch(text):
        return False
    return isinstance(resolved(text), bytes)


def real_text(value: float) -> str:
    """A float as go-yaml writes what JSON says of it."""
    if not math.isfinite(value):
        raise Fault("NaN and infinities have no JSON form")
    sign, digits, point = decimal_digits(value)
    if point - 1 < -4 or point - 1 >= 21:
        return sign + scientific(digits, point - 1, 2)
    return sign + positional(digits, point)


_CHUNKS = re.compile(r"[0-9]+|[^0-9]+")


def _natural(left: bytes, right: bytes) -> int:
    """Keys in the order of go-yaml: runs of digits by their number, letters after everything else."""
    a, b = text_of(left), text_of(right)
    for x, y in zip(_units(a), _units(b), strict=False):
        if x != y:
            return -1 if x < y else 1
    return len(a) - len(b)


def _units(text: str) -> list[tuple[int, int, str]]:
    units: list[tuple[int, int, str]] = []
    for chunk in _CHUNKS.findall(text):
        if chunk[0].isdigit() and chunk.isascii():
            units.append((0, int(chunk[:4000]), chunk))
        else:
            units += ((1 if rune.isalpha() else 0, -1, rune) for rune in chunk)
    return units
