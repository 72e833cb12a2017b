"""`lockstep reconcile`: have the steps look again, now."""

from pathlib import Path

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import NAME, namespace_options, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.waiting import about, duration, wait_for

_FOLLOWED = 1000  # orders whose own end is waited for


@click.command("reconcile")
@root_option
@namespace_options
@click.argument("names", nargs=-1, type=NAME, metavar="[NAMESPACE/NAME | MOUNT/PATH]...")
@click.option("--all", "everything", is_flag=True, help="Everything that is wired.")
@click.option("--wait", "waiting", is_flag=True, help="Until all of it is in step.")
@click.option("--timeout", default="60s", show_default=True, metavar="DURATION", help="With --wait.")
@output_option("json", "yaml")
def command(
    root: Path, namespace: str | None, all_namespaces: bool, names: tuple[str, ...], everything: bool,
    waiting: bool, timeout: str, output: str | None,
) -> None:  # fmt: skip
    """Order publish and materialize to compare the stores again, without waiting for the sweep. On record.

    \b
    lockstep reconcile temporal/postgres --wait
    lockstep reconcile -n platform-data
    lockstep reconcile --all --wait --timeout 5m

    Exit code 1: something may not act (suspended, or wrong in the wiring) or was given up; 4: nothing that is
    wired has this name, or nothing is wired in this namespace; 124: waited in vain.
    """
    what, limit = about(names, everything or all_namespaces, namespace), duration(timeout)
    answer = ControlClient(root, timeout=600.0).tell("reconcile", **what)
    given = [one["sequence"] for one in answer["orders"]]
    for one in answer["skipped"]:
        note(escaped(f"left out: {one['name']}: {one['reason']}"))
    if waiting and given:
        wait_for(root, what, timeout=limit, through=given[:_FOLLOWED])
    if output:
        say(document(answer, output))
    else:
        say(f"{len(given)} orders given{', and all of it is in step' if waiting and given else ''}")
    if answer["skipped"]:
        raise CommandError(
            f"{len(answer['skipped'])} could not be ordered; `lockstep explain` tells of each", Exit.FINDINGS
        )
