"""`python -m infra.hosts.step`: one step as a container runs it, told everything by the environment.

As `lockstep serve`, without the command line's imports: LOCKSTEP_STEP, LOCKSTEP_ROOT or LOCKSTEP_CONTEXT for a cluster,
LOCKSTEP_SETTINGS, LISTEN_ADDRESS (as func's middlewares name it) with LOCKSTEP_PLAIN_HTTP, K_SINK with K_CE_OVERRIDES
and K_CA_CERTS, and the usual variables of Vault or OpenBao. The step `record` is the ledger, fed by a broker elsewhere.
"""

import os
import sys
from collections.abc import Callable

from infra.hosts.quick_start import (
    expressions_when_used,
    methods_when_called,
    unhurried_collection,
    without_described_schemas,
    without_pydantic_plugins,
    without_time_zones,
)


def main() -> None:
    """Serve until SIGTERM. Raises SystemExit with the command line's statuses."""
    expressions_when_used()
    methods_when_called()
    without_pydantic_plugins()
    with unhurried_collection() as settle:
        without_described_schemas()
        without_time_zones()
        # Here, as all of the above is for the sake of these.
        import logging

        from infra.hosts.local.one_step import serve
        from infra.hosts.local.prepared_step import ending_on_refusal, root_from, say
        from infra.hosts.serving import ListenError

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)

        def ready(line: str) -> None:
            settle()
            say(line)

        if os.environ.get("LOCKSTEP_STEP") == "record":
            _record(ready)
            return
        with ending_on_refusal(ListenError):
            serve(root_from(os.environ), os.environ.get("LISTEN_ADDRESS", "127.0.0.1:8080"), ready)


def _record(ready: Callable[[str], None]) -> None:
    """The ledger needs none of what the other steps do, and keeps what they do not."""
    from infra.broker.errors import StoreError
    from infra.hosts.local.lock import AlreadyRunningError
    from infra.hosts.local.prepared_step import ending_on_refusal, say
    from infra.hosts.recording.host import serve
    from infra.hosts.serving import ListenError

    with ending_on_refusal(ListenError, AlreadyRunningError, StoreError):
        serve(os.environ, ready, say)


if __name__ == "__main__":
    main()
