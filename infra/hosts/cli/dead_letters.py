"""`lockstep dead-letters`: deliveries that were given up, and what becomes of them."""

import sys
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import output_option, root_option
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

    Who replays or drops is on record in the ledger.
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


@command.command("replay")
@root_option
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are open.")
@click.option("--step", metavar="STEP", help="With --all: only those of this step.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_option("json", "yaml")
def replay_command(
    root: Path, numbers: tuple[int, ...], everything: bool, step: str | None, yes: bool, output: str | None
) -> None:
    """Deliver again, with a fresh budget of attempts. Steps are idempotent: a replay does no harm."""
    _check(numbers, everything, step)
    if everything and not yes:
        _confirm(f"Replay every open dead letter{f' of {step}' if step else ''}?")
    _intervene(root, "dead-letters/replay", numbers, everything, step, output)


@command.command("drop")
@root_option
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are open.")
@click.option("--step", metavar="STEP", help="With --all: only those of this step.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@output_option("json", "yaml")
def drop_command(
    root: Path, numbers: tuple[int, ...], everything: bool, step: str | None, yes: bool, output: str | None
) -> None:
    """Give up for good. The sweep still compares stores and finds what is out of step."""
    _check(numbers, everything, step)
    if not yes:
        what = f"every open dead letter{f' of {step}' if step else ''}" if everything else f"{len(numbers)} of them"
        _confirm(f"Drop {what} for good?")
    _intervene(root, "dead-letters/drop", numbers, everything, step, output)


def _check(numbers: tuple[int, ...], everything: bool, step: str | None) -> None:
    if bool(numbers) == everything:
        raise CommandError("give numbers (see `lockstep dead-letters list`), or --all", Exit.USAGE)
    if step is not None and not everything:
        raise CommandError("--step goes with --all", Exit.USAGE)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked; give --yes", Exit.USAGE)
    if not click.confirm(question, err=True):
        raise CommandError("nothing was done", Exit.REFUSED)


def _intervene(
    root: Path, request: str, numbers: tuple[int, ...], everything: bool, step: str | None, output: str | None
) -> None:
    answer = ControlClient(root).tell(request, numbers=list(numbers) or None, everything=everything or None, route=step)
    if output in ("json", "yaml"):
        say(document(answer, output))
    else:
        for item in answer["items"]:
            if item["outcome"] != "refused":
                say(f"dead letter {item['number']} {item['outcome']} by {answer['by']}")
    refused = [item for item in answer["items"] if item["outcome"] == "refused"]
    if not answer["items"]:
        note("no dead letters")
    if refused:
        raise CommandError(escaped("; ".join(item["reason"] for item in refused)), Exit.REFUSED)


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
