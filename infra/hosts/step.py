"""`python -m infra.hosts.step`: one step as a container runs it, told everything by the environment.

As `lockstep serve`, without the command line's imports: LOCKSTEP_STEP, LOCKSTEP_ROOT, LISTEN_ADDRESS (as func's
middlewares name it), K_SINK, and the usual variables of Vault or OpenBao.
"""

import logging
import os
import sys
from pathlib import Path

from infra.hosts.configuration import ConfigurationError
from infra.hosts.local.database import LocalDatabaseError
from infra.hosts.local.one_step import serve
from infra.hosts.serving import ListenError
from infra.stores.vault.settings import InvalidSettings
from infra.wiring.access import AccessError

_USAGE, _REFUSED = 2, 5  # the command line's exit codes


def main() -> int:
    """Serve until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        serve(_root(), os.environ.get("LISTEN_ADDRESS", "127.0.0.1:8080"), _say)
    except (ListenError, ConfigurationError, AccessError, InvalidSettings) as failure:
        return _failed(failure, _USAGE)
    except LocalDatabaseError as failure:
        return _failed(failure, _REFUSED)
    return 0


def _root() -> Path:
    root = os.environ.get("LOCKSTEP_ROOT", "")
    if not root:
        raise ConfigurationError("LOCKSTEP_ROOT is not set; give the directory of the installation")
    return Path(root).absolute()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _failed(failure: Exception, status: int) -> int:
    sys.stderr.write(f"Error: {failure}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
