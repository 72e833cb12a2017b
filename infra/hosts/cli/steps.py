"""`lockstep steps`: the table of contents, from the steps' own declarations."""

from typing import Any

import click

from functions import STEPS
from functions._step import Step
from infra.hosts.cli.options import output_option
from infra.hosts.cli.output import document, say, table

PREFIX = "dev.lockstep."


@click.command("steps")
@output_option("json", "yaml", "wide")
def command(output: str | None) -> None:
    """List the steps: what each consumes, emits and needs.

    \b
    lockstep steps
    lockstep steps -o wide      with what each is allowed to do
    lockstep steps -o json
    """
    if output in ("json", "yaml"):
        say(document([as_object(step) for step in STEPS], output))
        return
    header = ("step", "consumes", "emits")
    if output == "wide":
        say(table((*header, "needs", "does"), [(*_names(step), _needs(step), step.does) for step in STEPS]))
        return
    say(table((*header, "does"), [(*_names(step), step.does) for step in STEPS]))


def as_object(step: Step) -> dict[str, Any]:
    """A step's declaration as a document."""
    return {
        "step": step.name,
        "does": step.does,
        "consumes": [event.TYPE for event in step.consumes],
        "emits": [event.TYPE for event in step.emits],
        "needs": {need.name: need.value for need in sorted(step.needs, key=lambda need: need.name)},
    }


def _names(step: Step) -> tuple[str, str, str]:
    consumed = ",".join(event.TYPE.removeprefix(PREFIX) for event in step.consumes)
    emitted = ",".join(event.TYPE.removeprefix(PREFIX) for event in step.emits)
    return step.name, consumed, emitted or "<none>"


def _needs(step: Step) -> str:
    return ",".join(sorted(need.name for need in step.needs))
