"""What is wrong with an event's data, told without quoting it.

Pydantic's own text quotes the input, and what should not hold a secret may hold one, in its member names too.
"""

from functools import cache

from pydantic import BaseModel, ValidationError

from events.event import Event
from events.references import Reference, Version

# Problems whose message names the rule and nothing of the input.
_TELLING = frozenset(
    (
        "bool_type", "datetime_type", "dict_type", "extra_forbidden", "greater_than_equal", "int_type",
        "less_than_equal", "literal_error", "missing", "string_pattern_mismatch", "string_too_long",
        "string_too_short", "string_type", "timezone_aware", "tuple_type",
    )
)  # fmt: skip


def describe(error: ValidationError) -> str:
    """Where the first problem is, and what. Members that no model declares are called `?`."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(_place(part) for part in problem["loc"]) or "the document"
    if problem["type"] == "value_error":  # raised by our own validators (events.references)
        return f"{where} {problem['msg'].removeprefix('Value error, ')}"
    return f"{where}: {problem['msg'] if problem['type'] in _TELLING else problem['type']}"


def _place(part: str | int) -> str:
    return str(part) if isinstance(part, int) or part in _declared() else "?"


@cache
def _declared() -> frozenset[str]:
    """Names of all members, and of the models that a union offers."""
    models: set[type[BaseModel]] = {Version, *_models(Event), *_models(Reference)}
    return frozenset(name for model in models for name in (model.__name__, *model.model_fields))


def _models(root: type[BaseModel]) -> set[type[BaseModel]]:
    return {root}.union(*(_models(model) for model in root.__subclasses__()))
