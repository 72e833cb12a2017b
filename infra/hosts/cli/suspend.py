"""`lockstep suspend`: stop the steps' writes for a scope."""

from pathlib import Path

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import SCOPE, output_option, root_option
from infra.hosts.cli.output import document, note, say, table
from infra.hosts.cli.readable import age


@click.command("suspend")
@root_option
@click.argument("scope", type=SCOPE, required=False, metavar="SCOPE")
@click.option("--reason", metavar="TEXT", help="Why; it is on record and shown wherever something stands still.")
@click.option("--list", "listing", is_flag=True, help="Show what is suspended.")
@output_option("json", "yaml")
def command(root: Path, scope: str | None, reason: str | None, listing: bool, output: str | None) -> None:
    """Stop every write for a scope: '*' (everything), NAMESPACE, NAMESPACE/NAME, or MOUNT/PATH.

    It is checked before every write, so it is in force at once. Events are still taken; `lockstep resume` has what
    they were about looked at again.

    \b
    lockstep suspend temporal --reason "migration of the database"
    lockstep suspend secret/platform-data/postgres/temporal --reason "incident 42"
    lockstep suspend '*' --reason "restoring a backup"
    lockstep suspend --list
    """
    client = ControlClient(root)
    if listing:
        _list(client, output)
        return
    if not scope or not reason:
        raise CommandError("give SCOPE and --reason TEXT, or --list", Exit.USAGE)
    answer = client.tell("suspend", scope=scope, reason=reason)
    if not answer["covers"]:
        note(f"{scope} covers nothing that is wired now; is it spelt as `lockstep status` shows it?")
    say(document(answer, output) if output else f"{scope} is suspended: {answer['covers']} secrets stand still")


def _list(client: ControlClient, output: str | None) -> None:
    found = client.ask("suspensions")
    if output:
        say(document(found, output))
    elif not found["suspensions"]:
        note("nothing is suspended")
    else:
        rows = [[one["scope"], age(one["since"]), one["by"], one["reason"]] for one in found["suspensions"]]
        say(table(["scope", "age", "by", "reason"], rows))
