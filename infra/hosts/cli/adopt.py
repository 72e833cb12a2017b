"""`lockstep adopt`: take over a path from whoever holds it."""

import time
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import Given, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.readable import number, remark
from infra.hosts.cli.waiting import duration

_POLL = 2.0


@click.command("adopt")
@root_option
@click.argument("path", type=Given("MOUNT/PATH"), metavar="MOUNT/PATH")
@click.option(
    "--by",
    "claimant",
    required=True,
    type=Given("NAMESPACE/NAME"),
    metavar="NAMESPACE/NAME",
    help="The PushSecret that takes it over.",
)
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option("--timeout", default="60s", show_default=True, metavar="DURATION", help="How long to wait for it.")
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context, root: Path, path: str, claimant: str, dry_run: bool, timeout: str, output: str | None
) -> None:
    """Let a PushSecret take over a path that exists already, or that another owner claims. On record.

    First it shows who holds the path and how its keys compare, by name. Then it orders the takeover against exactly
    what was shown: if the path or its claim moved meanwhile, it is refused. Keys that the source lacks are never
    dropped silently: they make it refuse.

    \b
    lockstep adopt secret/platform-data/postgres/temporal --by platform-data/postgres-temporal --dry-run
    lockstep adopt secret/platform-data/postgres/temporal --by platform-data/postgres-temporal

    Exit code 1 (--dry-run): it would be refused; 5: it was refused; 124: not carried out within the timeout.
    """
    limit = duration(timeout)
    client = ControlClient(root)
    plan: dict[str, Any] = client.ask("adoption", path=path, by=claimant)
    show = note if output else say
    show(_plan(plan))
    if dry_run or plan["refused"]:
        _end_early(context, plan, dry_run, output)
        return
    base = plan["base"]
    order = client.tell("adopt", path=path, by=claimant, epoch=plan["epoch"], base=base and dict(base))
    outcome = _wait(client, order["sequence"], limit)
    if outcome["state"] != "delivered":
        raise CommandError(f"refused: {escaped(outcome['reason'])}", Exit.REFUSED)
    say(document({"plan": plan, "outcome": outcome}, output) if output else _done(plan, outcome))


def _end_early(context: click.Context, plan: dict[str, Any], dry_run: bool, output: str | None) -> None:
    if output:
        say(document({"plan": plan, "outcome": None}, output))
    if not plan["refused"]:
        if not output:
            say("nothing was changed; without --dry-run it is taken over")
        return
    if not dry_run:
        raise CommandError(f"refused: {escaped(plan['refused'])}", Exit.REFUSED)
    context.exit(Exit.FINDINGS)


def _wait(client: ControlClient, sequence: int, timeout: float) -> dict[str, Any]:
    end = time.monotonic() + timeout
    told = ""
    while True:
        left = end - time.monotonic()
        found: dict[str, Any] = client.ask("outcome", sequence=sequence, seconds=max(0.0, min(_POLL, left)))
        if found["state"] != "pending":
            return found
        if left <= 0:
            why = escaped(found["reason"]) or "its turn has not come"
            raise CommandError(
                f"ordered, and not carried out after {timeout:g} s ({why})"
                f"; `lockstep events --since {sequence - 1}` shows what becomes of it",
                Exit.TIMEOUT,
            )
        if found["reason"] and found["reason"] != told:
            told = found["reason"]
            note(escaped(f"waiting: {told}"))


def _plan(plan: dict[str, Any]) -> str:
    owner, keys = plan["owner"], plan["keys"]
    holder = "nobody"
    if owner is not None:
        holder = f"{owner['owner']} of cluster {owner['cluster']} ({owner['origin']}, {owner['state']})"
    lines = [
        f"path:     {plan['path']}, version {number(plan['base'])}",
        f"owner:    {holder}, epoch {plan['epoch']}",
        f"taken by: {plan['by']}",
    ]
    for title, member in (("same", "same"), ("differ", "differ"), ("added", "added"), ("dropped", "dropped")):
        if keys[member]:
            lines.append(f"{title + ':':<10}{', '.join(keys[member])}")
    text = "\n".join(escaped(line) for line in lines)
    if plan["held"]:
        text += "\nit is the owner already: adopting changes nothing but to look again"
    return f"{text}\n{remark(plan['refused'], 'refused:  ')}" if plan["refused"] else text


def _done(plan: dict[str, Any], outcome: dict[str, Any]) -> str:
    claimed, published = outcome["claimed"], outcome["published"]
    text = f"{plan['path']} is {plan['by']}'s"
    if claimed is not None:
        text += f" since epoch {claimed['epoch']}"
    if published is not None:
        text += f"; version {published['number']} {published['outcome']}"
    return escaped(text)
