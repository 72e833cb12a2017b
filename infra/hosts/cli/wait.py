"""`lockstep wait`: until something is in step, or carries a version."""

import re
from pathlib import Path

import click

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.in_cluster import needed, place_options
from infra.hosts.cli.options import NAME, namespace_options
from infra.hosts.cli.output import say
from infra.hosts.cli.waiting import about, duration, wait_for, wait_in_cluster


@click.command("wait")
@place_options
@namespace_options
@click.argument("names", nargs=-1, type=NAME, metavar="[NAMESPACE/NAME | MOUNT/PATH]...")
@click.option("--all", "everything", is_flag=True, help="Everything that is wired.")
@click.option("--for", "condition", default="in-step", show_default=True, metavar="in-step|version=N")
@click.option("--timeout", default="60s", show_default=True, metavar="DURATION")
def command(
    root: Path | None, chosen: str | None, namespace: str | None, all_namespaces: bool, names: tuple[str, ...],
    everything: bool, condition: str, timeout: str,
) -> None:  # fmt: skip
    """Wait until all of it is in step (and, with version=N, path and consumers carry at least version N).

    \b
    lockstep wait --all
    lockstep wait temporal/postgres --for version=3 --timeout 10s
    lockstep wait --all --context kind-dev      by what a cluster tells, without its broker

    A manifest that may not act, or cannot be read, may be mended meanwhile: it is waited for, and named in the end.

    Exit code 124: not within the timeout; 4: nothing that is wired has this name, or nothing is wired in this
    namespace.
    """
    wanted, longest, least = (
        about(names, everything or all_namespaces, namespace),
        duration(timeout),
        _version(condition),
    )
    if chosen is not None:
        wait_in_cluster(chosen, wanted, timeout=longest, version=least)
    else:
        wait_for(needed(root), wanted, timeout=longest, version=least)
    say("in step" if condition == "in-step" else f"in step, at {condition}")


def _version(condition: str) -> int:
    if condition == "in-step":
        return 0
    match = re.fullmatch(r"version=([1-9][0-9]{0,14})", condition)
    if match is None:
        raise CommandError(f"--for {condition!r}: give in-step or version=N", Exit.USAGE)
    return int(match[1])
