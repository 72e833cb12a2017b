"""One step as a process of its own, selected by LOCKSTEP_STEP: what a Knative Service of the image runs."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from functions import NAMES
from functions import step as step_named
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.configuration import ConfigurationError, load
from infra.hosts.gate import AuthorityGate
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions
from infra.hosts.metrics import Histogram
from infra.hosts.serving import Servers, tcp_socket
from infra.hosts.sink import HttpSink, NoSink
from infra.hosts.step_app import StepApp
from infra.hosts.wiring import (
    Shared,
    directory_secrets,
    external_authenticator,
    external_authority,
    step_ports,
    step_settings,
    vault_client,
)
from infra.sources.tree_watch import TreeWatch
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.wiring.access import FileAccess
from infra.wiring.directory import WiringDirectory


def chosen_step(environ: Mapping[str, str]) -> Step:
    """The step that LOCKSTEP_STEP names. Raises ConfigurationError listing them."""
    name = environ.get("LOCKSTEP_STEP", "")
    if name not in NAMES:
        raise ConfigurationError(f"LOCKSTEP_STEP is {name!r}; choose one of {', '.join(NAMES)}")
    return step_named(name)


def serve(root: Path, listen: str, ready: Callable[[str], None]) -> None:
    """Serve the chosen step until SIGTERM, over an existing authority and ROOT's wiring. Raises as its parts do."""
    step = chosen_step(os.environ)
    if step.name == "record":
        raise ConfigurationError("the embedded ledger belongs to the broker's process; `record` runs within `up`")
    settings = external_authority()
    if settings is None:
        raise ConfigurationError("a single step needs an existing authority; set VAULT_ADDR or BAO_ADDR")
    bound = tcp_socket(listen, None)
    state = root / "state"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = load(root / "lockstep.yaml")
    http = HttpClient(settings)
    client = vault_client(http, external_authenticator(http, settings), f"lockstep-{step.name}")
    database = LocalDatabase(state / "local.db")
    wiring, access = WiringDirectory(root / "wiring"), FileAccess(root / "access.yaml")
    wiring.reload()
    shared = Shared(
        secrets=directory_secrets(root, configuration),
        publications=LocalPublications(database),
        wiring=wiring,
        access=access,
        suspensions=LocalSuspensions(database),
        settings=step_settings(configuration),
        configuration=configuration,
        notice=ready,
    )
    watch = TreeWatch([root / "wiring", root / "access.yaml"], lambda _: _reload(wiring, access), name="wiring-watch")
    watch.start()
    try:
        app = _app(step, client, shared, AuthorityGate(http))
        asyncio.run(_run(app, bound, ready, step))
    finally:
        watch.stop()
        client.close()
        http.close()
        database.close()


def _app(step: Step, client: VaultClient, shared: Shared, gate: AuthorityGate) -> StepApp:
    propagation = Histogram()
    sink = os.environ.get("K_SINK", "")
    answerer = StepAnswerer(
        step,
        step_ports(step, client, shared, None),
        f"/lockstep/{shared.configuration.cluster}/steps/{step.name}",
        ready=gate.ready,
        observe=propagation.observe_propagation,
    )
    return StepApp(answerer, HttpSink(sink) if sink else NoSink(), propagation, lambda: gate.health().reason)


def _reload(wiring: WiringDirectory, access: FileAccess) -> None:
    wiring.reload()
    access.reload()


async def _run(app: StepApp, bound: socket.socket, ready: Callable[[str], None], step: Step) -> None:
    servers = Servers(app)
    servers.add_tcp(bound)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, servers.stop)
    started = asyncio.Event()
    serving = asyncio.create_task(servers.serve(started))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if started.is_set():
        port = bound.getsockname()[1]
        ready(f"lockstep step {step.name} ready on port {port}")
    waiting.cancel()
    await serving
