"""`lockstep watch`: the watch of a cluster as a process of its own."""

import os

import click

from infra.hosts.cli.failures import Exit

FILE, SOCKET, POSITION = "LOCKSTEP_AUDIT_FILE", "LOCKSTEP_AUDIT_SOCKET", "LOCKSTEP_AUDIT_POSITION"


@click.command("watch")
@click.option("--context", "chosen", envvar="LOCKSTEP_CONTEXT", show_envvar=True, default="", metavar="CONTEXT",
    help="The cluster's kubeconfig context; the current one without, in a pod the pod's own cluster.",
)  # fmt: skip
@click.option("--audit-file", envvar=FILE, show_envvar=True, default="", metavar="FILE",
    help="The authority's audit file, to be followed too.",
)  # fmt: skip
@click.option("--audit-socket", envvar=SOCKET, show_envvar=True, default="", metavar="ADDRESS",
    help="unix:/path or HOST:PORT, where an audit device of type socket writes to.",
)  # fmt: skip
@click.option("--audit-position", envvar=POSITION, show_envvar=True, default="", metavar="FILE",
    help="Where it is kept how far the audit file was read.",
)  # fmt: skip
@click.pass_context
def command(context: click.Context, chosen: str, audit_file: str, audit_socket: str, audit_position: str) -> None:
    """Tell a broker what changes in a cluster, until SIGTERM or SIGINT. What a Knative ContainerSource runs.

    \b
    K_SINK=http://broker-ingress.knative-eventing.svc/lockstep/default lockstep watch
    K_SINK=http://127.0.0.1:8080/lockstep/default lockstep watch --context kind-dev

    K_SINK says where; K_CE_OVERRIDES and K_CA_CERTS count as Knative sets them, LOCKSTEP_CLUSTER is the name that
    events carry. It keeps no state: at a start all manifests are told of as added.

    With --audit-file or --audit-socket it also tells what others write at the authority.

    Exit code 2: settings that cannot be used.
    """
    from infra.hosts import watch  # loads what speaks to a cluster; not for `--help`

    audited = {FILE: audit_file, SOCKET: audit_socket, POSITION: audit_position}
    status = watch.main({**os.environ, "LOCKSTEP_CONTEXT": chosen, **audited})
    context.exit(Exit.USAGE if status else Exit.OK)
