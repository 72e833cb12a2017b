"""The types of targets: their table (docs/targets.md), and the tables of each in its page (docs/targets/)."""

import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from functions._systems import System
from infra.deploy.target_rules import has_rules, rules_table
from infra.targets.opening import Parameters
from infra.targets.registry import TYPES, module_of, parameters_model

FOLDER, INDEX = "docs/targets", "docs/targets.md"
_HEAD = """# Targets

Rendered from the types in `infra/targets/` by `make generate`; change those, not this page.

A target is a system whose credentials are rotated. The platform declares it by a RotationTarget manifest: its type,
that type's parameters, where the admin credential stands, and which namespaces may have which accounts changed. A
Rotation names a target, an account (or two) and one of the strategies that its type offers.

Values are made of the characters that the type names, as many as it says; a Rotation's `spec.generator` may say
otherwise. Where the provider makes the credential (strategy `minted`) nothing is generated.

| Type | Strategies | Values | |
|---|---|---|---|
"""
_RANGES = (string.ascii_uppercase, string.ascii_lowercase, string.digits)
_BEGIN = "<!-- parameters: rendered from the type's model by `make generate` -->"
_END = "<!-- end of parameters -->"
_BETWEEN = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
_RULES = "<!-- rules: rendered from what the type asks for by `make generate` -->"
_RULES_END = "<!-- end of rules -->"
_RULES_BETWEEN = re.compile(f"{re.escape(_RULES)}.*?{re.escape(_RULES_END)}", re.DOTALL)
_ROOT = Path(__file__).resolve().parents[2]


def render() -> dict[str, str]:
    """Every page as {path: text}: a table is put between its marks, and what people wrote around it stays."""
    pages = {INDEX: _HEAD + "".join(_row(name) for name in sorted(TYPES))}
    for name in sorted(TYPES):
        path = f"{FOLDER}/{name}.md"
        page = _ROOT / path
        text = page.read_text(encoding="utf-8") if page.exists() else f"# {name}\n\n{_BEGIN}\n{_END}\n"
        table = f"{_BEGIN}\n{parameters_table(parameters_model(name))}{_END}"
        text = _BETWEEN.sub(lambda _, table=table: table, text)  # type: ignore[misc]  # mypy and lambdas' defaults
        if has_rules(name):
            rules = f"{_RULES}\n{rules_table(name)}{_RULES_END}"
            text = _RULES_BETWEEN.sub(lambda _, rules=rules: rules, text)  # type: ignore[misc]
        pages[path] = text
    return pages


def _row(name: str) -> str:
    module = module_of(name)
    system: type[System] = get_type_hints(module.open_system)["return"]
    strategies = ", ".join(f"`{one}`" for one in system.strategies)
    made = f"{system.alphabet.length} of {_characters(system.alphabet.characters)}"
    values = "by the provider" if system.strategies == ("minted",) else made
    said = (module.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    said = re.sub(r" \(docs/[^)]*\)", "", said)
    return f"| [{name}](targets/{name}.md) | {strategies} | {values} | {_cell(said)} |\n"


def _characters(characters: str) -> str:
    """`A-Z` for a whole range; the rest one by one."""
    ranges = [one for one in _RANGES if set(one) <= set(characters)]
    rest = [one for one in characters if not any(one in whole for whole in ranges)]
    return " ".join(f"`{one}`" for one in [*(f"{whole[0]}-{whole[-1]}" for whole in ranges), *rest])


def parameters_table(model: type[Parameters]) -> str:
    """A Markdown table of a type's `spec.parameters`."""
    if not model.model_fields:
        return "It takes no parameters.\n"
    head = "| Parameter | Takes | Default | |\n|---|---|---|---|\n"
    return head + "".join(_rows(model))


def _rows(model: type[Parameters]) -> Iterator[str]:
    described: dict[str, dict[str, Any]] = model.model_json_schema(by_alias=True)["properties"]
    for name, field in model.model_fields.items():
        alias = field.alias or name
        takes = "duration" if _is_duration(field) else _takes(described[alias])
        yield f"| `{alias}` | {takes} | {_default(field)} | {_cell(field.description or '')} |\n"


def _takes(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "mapping"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_takes(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        return f"list of {_takes(schema['items'])}" if "items" in schema else "list"
    return {"integer": "number", "boolean": "`true` or `false`", "object": "mapping"}.get(
        schema.get("type", ""), "text"
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default in ((), "", {}):
        return ""
    if _is_duration(field):
        return f"`{default:g}s`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return ", ".join(f"`{one}`" for one in default) if isinstance(default, tuple) else f"`{default}`"


def _is_duration(field: FieldInfo) -> bool:
    return any(isinstance(one, BeforeValidator) for one in field.metadata)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
