"""The table of steps as documentation, rendered from their declarations (DESIGN, principle 4)."""

from events.event import Event
from functions import STEPS
from functions._step import Step

PAGE = "docs/steps.md"

_HEAD = """# Steps

Rendered from the steps' declarations in `functions/` by `make generate`; change those, not this page.

A step reacts to one event and does one thing of a secret's life. What it consumes becomes its Trigger, what it emits
the only types that the broker takes from it, and what it needs the policy of its own identity at the authority.
`lockstep steps` prints the same table.
"""


def render() -> dict[str, str]:
    """The page as {path: text}."""
    head = ["| Step | Consumes | Emits |", "|---|---|---|"]
    rows = [f"| [{step.name}](#{step.name}) | {_events(step.consumes)} | {_events(step.emits)} |" for step in STEPS]
    return {PAGE: "\n".join([_HEAD, *head, *rows, "", *(_section(step) for step in STEPS)])}


def _events(models: tuple[type[Event], ...]) -> str:
    linked = (f"[{model.TYPE}](events.md#{model.TYPE.replace('.', '')})" for model in models)
    return "<br>".join(linked) or "nothing"


def _section(step: Step) -> str:
    needs = "\n".join(f"- {need}" for need in sorted(capability.value for capability in step.needs))
    return f"## {step.name}\n\n{step.does}\n\nIt may:\n\n{needs or '- nothing'}\n"
