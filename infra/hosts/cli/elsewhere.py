"""What to say to whoever asks a cluster what only a process in it knows: where that is, and how to ask there."""

import click

from infra.hosts.cli.failures import CommandError
from infra.hosts.cli.in_cluster import with_cluster
from infra.hosts.cli.output import escaped
from infra.hosts.views.cluster_manifests import keeper_of

_KEPT = frozenset({"events", "dead-letters", "audit"})  # what the ledger's pod answers, whichever way it is installed
_HERE = (
    "`status`, `explain`, `diff`, `check`, `wait`, `lint`, `rotate`, `rotation`, `leak list|show` answer with --context"
)


def where_it_runs(context: click.Context, chosen: str) -> str:
    """The command that answers, where the cluster says that there is one."""
    asked = _asked(context)
    needs = f"`{asked}` needs a running Lockstep: give --root (or LOCKSTEP_ROOT) where it runs"
    try:
        keeper = with_cluster(chosen, keeper_of)
    except CommandError as failure:
        return f"{needs}; {_HERE} ({escaped(failure.message)})"
    if not keeper or (keeper == "record" and asked.split()[0] not in _KEPT):
        return f"{needs}; {_HERE}"
    kubectl = f"kubectl {f'--context {chosen} ' if chosen else ''}-n lockstep exec statefulset/{keeper} --"
    return f"the pod that keeps what happened answers `{asked}`; run, with the same options: {kubectl} lockstep {asked}"


def _asked(context: click.Context) -> str:
    path = context.command_path.split(" ", 1)
    return path[1] if len(path) == 2 else str(context.command.name)
