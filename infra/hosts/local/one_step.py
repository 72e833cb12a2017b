"""One step as a process of its own, selected by LOCKSTEP_STEP: what a Knative Service of the image runs."""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from infra.hosts.foreground import Interrupted, handled_signals
from infra.hosts.local.prepared_step import prepared
from infra.hosts.serving import Servers, plain_http, tcp_socket
from infra.hosts.step_app import StepApp


def serve(root: Path | None, listen: str, ready: Callable[[str], None]) -> None:
    """Serve the chosen step until SIGTERM, over an existing authority and ROOT's wiring, or a cluster's.

    Plain HTTP is served beyond the loopback only where LOCKSTEP_PLAIN_HTTP says so. Raises as its parts do.
    """
    with ExitStack() as stack, handled_signals() as signals, suppress(Interrupted):
        bound = stack.enter_context(closing(tcp_socket(listen, None, plain=plain_http(os.environ))))
        step = stack.enter_context(prepared(root, os.environ, ready))
        servers = Servers(StepApp(step.endpoint, step.propagation))
        servers.add_tcp(bound)
        signals.then(servers.stop)
        servers.run(lambda: ready(f"lockstep step {step.name} ready on port {bound.getsockname()[1]}"))
        signals.ignore()
