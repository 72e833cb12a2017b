"""As much of JSON Schema (2020-12) as our own schemas use, and not a keyword more.

An unknown keyword fails, so nothing in a schema goes unchecked. A schema that grows beyond this deserves the
`jsonschema` package.
"""

import re
from typing import Any

_SILENT = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "format"))
_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """What a value does not keep to; empty when it is valid. Raises KeyError for a keyword or a name unknown here."""
    return list(_Checker(schema).check(schema, value, schema, "$"))


class _Checker:
    def __init__(self, document: dict[str, Any]) -> None:
        embedded = document.get("$defs", {}).values()
        self._resources = {resource["$id"]: resource for resource in (document, *embedded) if "$id" in resource}

    def check(self, schema: Any, value: Any, base: dict[str, Any], where: str) -> list[str]:
        if isinstance(schema, bool):
            return [] if schema else [f"{where}: not allowed"]
        base = self._resources.get(schema.get("$id"), base)
        found: list[str] = []
        rules = {_METHODS[keyword]: rule for keyword, rule in schema.items() if keyword not in _SILENT}
        for method, rule in rules.items():
            found += getattr(self, method)(rule, value, schema, base, where)
        return found

    def ref(self, rule: str, value: Any, _: Any, base: dict[str, Any], where: str) -> list[str]:
        if rule.startswith("#/$defs/"):
            return self.check(base["$defs"][rule.removeprefix("#/$defs/")], value, base, where)
        return self.check(self._resources[rule], value, self._resources[rule], where)

    def type(self, rule: str, value: Any, _: Any, __: Any, where: str) -> list[str]:
        right = isinstance(value, _TYPES[rule]) and (rule == "boolean" or not isinstance(value, bool))
        return [] if right else [f"{where}: is no {rule}"]

    def const(self, rule: Any, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [] if value == rule else [f"{where}: is not {rule!r}"]

    def enum(self, rule: list[Any], value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [] if value in rule else [f"{where}: is none of {rule}"]

    def any_of(self, rule: list[Any], value: Any, _: Any, base: dict[str, Any], where: str) -> list[str]:
        return [] if any(not self.check(one, value, base, where) for one in rule) else [f"{where}: fits no choice"]

    def pattern(self, rule: str, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}: does not match"] if isinstance(value, str) and not re.search(rule, value) else []

    def min_length(self, rule: int, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}: too short"] if isinstance(value, str) and len(value) < rule else []

    def max_length(self, rule: int, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}: too long"] if isinstance(value, str) and len(value) > rule else []

    def minimum(self, rule: int, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}: too small"] if isinstance(value, int) and value < rule else []

    def maximum(self, rule: int, value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}: too large"] if isinstance(value, int) and value > rule else []

    def items(self, rule: Any, value: Any, _: Any, base: dict[str, Any], where: str) -> list[str]:
        inner = value if isinstance(value, list) else []
        return [one for index, item in enumerate(inner) for one in self.check(rule, item, base, f"{where}[{index}]")]

    def required(self, rule: list[str], value: Any, _: Any, __: Any, where: str) -> list[str]:
        return [f"{where}.{name}: missing" for name in rule if isinstance(value, dict) and name not in value]

    def property_names(self, rule: Any, value: Any, _: Any, base: dict[str, Any], where: str) -> list[str]:
        names = value if isinstance(value, dict) else {}
        return [one for name in names for one in self.check(rule, name, base, f"{where} name")]

    def members(self, _: Any, value: Any, schema: dict[str, Any], base: dict[str, Any], where: str) -> list[str]:
        """`properties`, `patternProperties` and `additionalProperties` together, as each depends on the others."""
        found: list[str] = []
        for name, inner in (value if isinstance(value, dict) else {}).items():
            rules = [schema["properties"][name]] if name in schema.get("properties", {}) else []
            rules += [rule for pattern, rule in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
            for rule in rules or [schema.get("additionalProperties", True)]:
                found += self.check(rule, inner, base, f"{where}.{name}")
        return found


_METHODS = {
    "$ref": "ref", "type": "type", "const": "const", "enum": "enum", "anyOf": "any_of", "pattern": "pattern",
    "minLength": "min_length", "maxLength": "max_length", "minimum": "minimum", "maximum": "maximum",
    "items": "items", "required": "required", "propertyNames": "property_names", "properties": "members",
    "patternProperties": "members", "additionalProperties": "members",
}  # fmt: skip
