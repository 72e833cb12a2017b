"""`lockstep dead-letters`: deliveries that were given up, and what becomes of them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import Given, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say, table


@click.group("dead-letters")
def command() -> None:
    """List, show, replay and drop deliveries that were given up.

    \b
    lockstep dead-letters list
    lockstep dead-letters show 7
    lockstep dead-letters replay 7            after its cause is mended
    lockstep dead-letters replay --all --yes
    lockstep dead-letters drop 7 --yes

    Who replays or drops is on record in the ledger. Exit code 4: there is no dead letter of this number.
    """


@command.command("list")
@root_option
@click.option("--all", "closed", is_flag=True, help="Those too that were replayed or dropped.")
@output_option("json", "yaml", "wide")
def list_command(root: Path, closed: bool, output: str | None) -> None:
    """List dead letters, oldest first."""
    client = ControlClient(root)
    items: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = client.ask("dead-letters", all=closed or None, after=after, limit=1000)
        items += answer["items"]
        after = answer["next"]
    if output in ("json", "yaml"):
        say(document({"items": items}, output))
    elif not items:
        note("no dead letters")
    else:
        say(_table(items, wide=output == "wide"))


@command.command("show")
@root_option
@click.argument("number", type=int)
@output_option("json", "yaml")
def show_command(root: Path, number: int, output: str | None) -> None:
    """Show one dead letter: why it was given up, and its event."""
    found = ControlClient(root).ask("dead-letters/show", number=number)
    if output in ("json", "yaml"):
        say(document(found, output))
        return
    say(_shown(found))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which dead letters an intervention is about, and how its outcome is shown."""

    root: Path
    numbers: tuple[int, ...]
    everything: bool
    step: str | None
    yes: bool
    output: str | None

    @property
    def all_of_them(self) -> str:
        return f"every open dead letter{f' of {self.step}' if self.step else ''}"


def _chosen(function: Callable[[_Choice], None]) -> Callable[..., None]:
    """The options of what changes dead letters."""

    @root_option
    @click.argument("numbers", type=int, nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All that are open.")
    @click.option("--step", type=Given("the name of a step"), metavar="STEP", help="With --all: only those of it.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @output_option("json", "yaml")
    @wraps(function)
    def chosen(**given: Any) -> None:
        choice = _Choice(**given)
        if bool(choice.numbers) == choice.everything:
            raise CommandError("give numbers (see `lockstep dead-letters list`), or --all", Exit.USAGE)
        if choice.step is not None and not choice.everything:
            raise CommandError("--step goes with --all", Exit.USAGE)
        function(choice)

    return chosen


@command.command("replay")
@_chosen
def replay_command(choice: _Choice) -> None:
    """Deliver again, with a fresh budget of attempts. Steps are idempotent: a replay does no harm."""
    if choice.everything and not choice.yes:
        _confirm(f"Replay {choice.all_of_them}?")
    _intervene("dead-letters/replay", choice)


@command.command("drop")
@_chosen
def drop_command(choice: _Choice) -> None:
    """Give up for good. The sweep still compares stores and finds what is out of step."""
    if not choice.yes:
        _confirm(f"Drop {choice.all_of_them if choice.everything else f'{len(choice.numbers)} of them'} for good?")
    _intervene("dead-letters/drop", choice)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked; give --yes", Exit.USAGE)
    if not click.confirm(question, err=True):
        raise CommandError("nothing was done", Exit.REFUSED)


def _intervene(request: str, choice: _Choice) -> None:
    numbers = list(choice.numbers) or None
    answer = ControlClient(choice.root).tell(
        request, numbers=numbers, everything=choice.everything or None, route=choice.step
    )
    if choice.output in ("json", "yaml"):
        say(document(answer, choice.output))
    else:
        for item in answer["items"]:
            if item["outcome"] != "refused":
                say(f"dead letter {item['number']} {item['outcome']} by {answer['by']}")
    refused = [item for item in answer["items"] if item["outcome"] == "refused"]
    if not answer["items"]:
        note("no dead letters")
    if refused:
        there = any(item.get("exists", True) for item in refused)
        said = escaped("; ".join(item["reason"] for item in refused))
        raise CommandError(said, Exit.REFUSED if there else Exit.NOT_FOUND)


def _table(items: list[dict[str, Any]], *, wide: bool) -> str:
    header = ["number", "at", "step", "type", "subject", "status", "reason"]
    header += ["attempts", "correlation", "outcome"] if wide else []
    rows = []
    for item in items:
        reason = str(item["reason"])
        row = [
            str(item["number"]), item["at"][:19] + "Z", item["step"], item["type"].removeprefix("dev.lockstep."),
            item["subject"] or "", str(item["status"]), reason if wide or len(reason) <= 80 else f"{reason[:79]}…",
        ]  # fmt: skip
        outcome = f"{item['outcome']} by {item['by']}" if item["outcome"] else "open"
        rows.append([*row, str(item["attempts"]), item["correlation"], outcome] if wide else row)
    return table(header, rows)


def _shown(found: dict[str, Any]) -> str:
    outcome = f"{found['outcome']} by {found['by']} at {found['closed']}" if found["outcome"] else "open"
    facts = [
        ("number", found["number"]), ("state", outcome), ("given up", found["at"]), ("step", found["step"]),
        ("attempts", found["attempts"]), ("status", found["status"]), ("reason", found["reason"]),
    ]  # fmt: skip
    lines = [f"{name + ':':<12}{escaped(str(value))}" for name, value in facts]
    lines += ["event:"]
    lines += [f"  {escaped(name)}: {escaped(str(value))}" for name, value in sorted(found["event"].items())]
    if found["withheld"]:
        lines.append(f"data:       withheld: {escaped(found['withheld'])}")
    else:
        lines += ["data:", *(f"  {escaped(line)}" for line in document(found["data"], "json").splitlines())]
    if not found["outcome"]:
        lines.append(f"\nMend the cause, then `lockstep dead-letters replay {found['number']}`.")
    return "\n".join(lines)
