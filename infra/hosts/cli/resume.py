"""`lockstep resume`: release a suspended scope."""

from pathlib import Path

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.options import SCOPE, output_option, root_option
from infra.hosts.cli.output import document, say


@click.command("resume")
@root_option
@click.argument("scope", type=SCOPE, metavar="SCOPE")
@output_option("json", "yaml")
def command(root: Path, scope: str, output: str | None) -> None:
    """Release a scope as it was suspended, and have everything that it covered looked at again.

    \b
    lockstep resume temporal
    lockstep resume '*'

    Exit code 4: the scope is not suspended.
    """
    answer = ControlClient(root, timeout=600.0).tell("resume", scope=scope)
    say(document(answer, output) if output else f"{scope} is released: {answer['orders']} orders given to look again")
