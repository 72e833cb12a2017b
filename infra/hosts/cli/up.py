"""`lockstep up`: run everything of one ROOT."""

import logging
import os
import sys
from pathlib import Path

import click

from infra.broker.errors import BrokerError
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import root_option
from infra.hosts.cli.output import note
from infra.hosts.configuration import ConfigurationError
from infra.hosts.local.database import LocalDatabaseError
from infra.hosts.local.instance import Options
from infra.hosts.local.lock import AlreadyRunningError
from infra.hosts.local.running import Listening, run
from infra.hosts.openbao.failures import OpenBaoError
from infra.hosts.serving import ListenError, Tls
from infra.hosts.wiring import cluster_settings
from infra.kubernetes.settings import InvalidSettings as InvalidCluster
from infra.stores.vault.settings import InvalidSettings
from infra.wiring.access import AccessError


@click.command("up")
@root_option
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Port 0: any.")
@click.option(
    "--seal-key",
    type=click.Path(path_type=Path),
    envvar="LOCKSTEP_SEAL_KEY",
    help="The embedded OpenBao's seal key: a file, or a credential directory. Keep it apart from ROOT.",
)
@click.option(
    "--tls-certificate", type=click.Path(path_type=Path, exists=True), help="PEM; needed beyond the loopback."
)
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="PEM.")
@click.option(
    "--tls-client-ca",
    type=click.Path(path_type=Path, exists=True),
    help="PEM; whose certificates reporters of leaks may show to be known by.",
)
@click.option("--context", is_flag=False, flag_value="", metavar="[CONTEXT]", envvar="LOCKSTEP_CONTEXT",
    help="Work on the cluster of this kubeconfig context instead of ROOT's directories; without a name, the current "
    "one. ROOT keeps the state.",
)  # fmt: skip
@click.option("--kubeconfig", default="", metavar="FILE", help="Instead of KUBECONFIG or ~/.kube/config.")
@click.option("--drain", default=10.0, show_default=True, metavar="SECONDS", help="Time for running work at the end.")
def command(
    root: Path, listen: str, seal_key: Path | None, tls_certificate: Path | None, tls_key: Path | None,
    tls_client_ca: Path | None,
    context: str | None, kubeconfig: str, drain: float,
) -> None:  # fmt: skip
    """Run authority, broker, steps and watches of one ROOT in the foreground, until SIGTERM or SIGINT.

    \b
    lockstep up --root ./root
    lockstep up --root /srv/lockstep --seal-key $CREDENTIALS_DIRECTORY/seal --listen 127.0.0.1:0
    lockstep up --root ./state --context kind-dev     the manifests and Secrets of a cluster
    VAULT_ADDR=https://vault:8200 VAULT_TOKEN=... lockstep up --root ./root     an existing Vault or OpenBao
    """
    if bool(tls_certificate) != bool(tls_key):
        raise CommandError("--tls-certificate and --tls-key go together", Exit.USAGE)
    if tls_client_ca and not tls_certificate:
        raise CommandError("--tls-client-ca goes with --tls-certificate and --tls-key", Exit.USAGE)
    tls = Tls(tls_certificate, tls_key, tls_client_ca) if tls_certificate and tls_key else None
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        cluster = None if context is None and not kubeconfig else cluster_settings(context or "", kubeconfig)
        elsewhere, settings = os.environ.get("LOCKSTEP_STEPS_AT", ""), os.environ.get("LOCKSTEP_SETTINGS", "")
        options = Options(
            seal_key=seal_key, drain_seconds=drain, cluster=cluster, steps_at=elsewhere,
            settings=Path(settings) if settings else None,
        )  # fmt: skip
        beside = os.environ if elsewhere else {}  # a broker among pods answers probes beside its own ingress
        run(root, options, Listening(listen, tls, beside), click.echo, note)
    except (ListenError, ConfigurationError, AccessError, InvalidSettings, InvalidCluster) as failure:
        raise CommandError(str(failure), Exit.USAGE) from None
    except (AlreadyRunningError, OpenBaoError, LocalDatabaseError, BrokerError) as failure:
        raise CommandError(str(failure), Exit.REFUSED) from None
