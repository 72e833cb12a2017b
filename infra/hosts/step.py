"""`python -m infra.hosts.step`: one step as a container runs it, told everything by the environment.

As `lockstep serve`, without the command line's imports: LOCKSTEP_STEP, LOCKSTEP_ROOT, LISTEN_ADDRESS (as func's
middlewares name it), K_SINK with K_CE_OVERRIDES and K_CA_CERTS, and the usual variables of Vault or OpenBao.
"""

import logging
import os
import sys

from infra.hosts.quick_start import unhurried_collection, without_pydantic_plugins


def main() -> None:
    """Serve until SIGTERM. Raises SystemExit with the command line's statuses."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    without_pydantic_plugins()
    with unhurried_collection() as settle:
        # Here, as both of the above are for the sake of these.
        from infra.hosts.local.one_step import serve
        from infra.hosts.local.prepared_step import ending_on_refusal, root_from, say
        from infra.hosts.serving import ListenError

        def ready(line: str) -> None:
            settle()
            say(line)

        with ending_on_refusal(ListenError):
            serve(root_from(os.environ), os.environ.get("LISTEN_ADDRESS", "127.0.0.1:8080"), ready)


if __name__ == "__main__":
    main()
