"""`lockstep adopt`: take over a path from whoever holds it."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.adopt_from import adopt_from_eso
from infra.hosts.cli.adopting import waited
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import NAMESPACE, Given, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.readable import number, remark
from infra.hosts.cli.waiting import duration

_NAMED = Given("MOUNT/PATH; with --from NAMESPACE/NAME of PushSecrets")


@click.command("adopt")
@root_option
@click.argument("names", nargs=-1, type=_NAMED, metavar="MOUNT/PATH | [NAME]...")
@click.option(
    "--by",
    "claimant",
    type=Given("NAMESPACE/NAME"),
    metavar="NAMESPACE/NAME",
    help="The PushSecret that takes it over.",
)
@click.option(
    "--from", "former", type=click.Choice(["eso"]), help="Take over what this operator's PushSecrets have pushed."
)
@click.option("-n", "--namespace", type=NAMESPACE, metavar="NAMESPACE", help="With --from: only this namespace.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option("--timeout", default="60s", show_default=True, metavar="DURATION", help="How long to wait for it.")
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context, root: Path, names: tuple[str, ...], claimant: str | None, former: str | None,
    namespace: str | None, dry_run: bool, timeout: str, output: str | None,
) -> None:  # fmt: skip
    """Let a PushSecret take over a path that exists already, or that another owner claims. On record.

    First it shows who holds the path and how its keys compare, by name. Then it orders the takeover against exactly
    what was shown: if the path or its claim moved meanwhile, it is refused. Keys that the source lacks are never
    dropped silently: they make it refuse.

    \b
    lockstep adopt secret/platform-data/postgres/temporal --by platform-data/postgres-temporal --dry-run
    lockstep adopt secret/platform-data/postgres/temporal --by platform-data/postgres-temporal
    lockstep adopt --from eso -n platform-data --dry-run

    With --from eso it does so for every path that the status of a PushSecret (all of them, or those that are named)
    lists as pushed by External Secrets Operator. The store must have been handed over: spec.controller is lockstep.
    Where the content is the same no version is written and nothing is restarted.

    Exit code 1 (--dry-run): it would be refused; 5: it was refused; 124: not carried out within the timeout.
    """
    limit = duration(timeout)
    client = ControlClient(root, timeout=600.0 if former else 60.0)
    if former:
        if claimant:
            raise CommandError("--from finds out whose the paths are; leave --by out", Exit.USAGE)
        context.exit(adopt_from_eso(client, names, namespace, dry_run=dry_run, timeout=limit, output=output))
    if len(names) != 1 or not claimant or namespace:
        raise CommandError("give one MOUNT/PATH and --by NAMESPACE/NAME, or --from eso", Exit.USAGE)
    (path,) = names
    plan: dict[str, Any] = client.ask("adoption", path=path, by=claimant)
    show = note if output else say
    show(_plan(plan))
    if dry_run or plan["refused"]:
        _end_early(context, plan, dry_run, output)
        return
    base = plan["base"]
    order = client.tell("adopt", path=path, by=claimant, epoch=plan["epoch"], base=base and dict(base))
    outcome = waited(client, order["sequence"], limit)
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
