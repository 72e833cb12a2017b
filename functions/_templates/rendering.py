"""The two things that are done with a template: checking it, and rendering it."""

from collections.abc import Mapping

from functions._templates.errors import TemplateError
from functions._templates.limits import DEFAULT, Budget, Limits
from functions._values import SecretValue

# The engine is imported where there is a template: most manifests have none, and a step starts sooner without it.


def check(text: str) -> tuple[str, ...]:
    """What is wrong with a template, each with its line; empty for one that can be rendered.

    Syntax, functions that are unknown or refused, and numbers of arguments. Missing keys show only with the data.
    """
    from functions._templates.compiling import compiled

    return compiled(text)[1]


def render(text: str, values: Mapping[str, SecretValue], limits: Limits = DEFAULT) -> SecretValue:
    """What the template makes of the values, which are data: never parsed as a template, any bytes.

    Raises TemplateError: what `check` finds, a missing key, a function that cannot do its work, a limit exceeded.
    """
    from functions._templates.compiling import compiled
    from functions._templates.evaluator import evaluate
    from functions._templates.values import StringMap

    nodes, problems = compiled(text)
    if problems:
        raise TemplateError("; ".join(problems[:5]))
    data = StringMap((key.encode(errors="surrogateescape"), value.reveal()) for key, value in values.items())
    return SecretValue(evaluate(nodes, data, Budget(limits)))
