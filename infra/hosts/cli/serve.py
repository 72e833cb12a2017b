"""`lockstep serve`: one step as a process of its own."""

import logging
import sys
from pathlib import Path

import click

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import root_option
from infra.hosts.configuration import ConfigurationError
from infra.hosts.local.database import LocalDatabaseError
from infra.hosts.local.one_step import serve
from infra.hosts.serving import ListenError
from infra.kubernetes.settings import InvalidSettings as InvalidCluster
from infra.stores.vault.settings import InvalidSettings
from infra.wiring.access import AccessError


@click.command("serve")
@root_option
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Port 0: any.")
def command(root: Path, listen: str) -> None:
    """Serve the one step that LOCKSTEP_STEP names, over HTTP, beside a broker elsewhere.

    \b
    LOCKSTEP_STEP=publish VAULT_ADDR=... VAULT_TOKEN=... K_SINK=http://broker/lockstep/default \\
      lockstep serve --root ./root --listen 127.0.0.1:0
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        serve(root.absolute(), listen, click.echo)
    except (ListenError, ConfigurationError, AccessError, InvalidSettings, InvalidCluster) as failure:
        raise CommandError(str(failure), Exit.USAGE) from None
    except LocalDatabaseError as failure:
        raise CommandError(str(failure), Exit.REFUSED) from None
