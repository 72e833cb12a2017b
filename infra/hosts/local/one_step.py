"""One step as a process of its own, selected by LOCKSTEP_STEP: what a Knative Service of the image runs."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from functions import NAMES
from functions import step as step_named
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.configuration import Configuration, ConfigurationError, load
from infra.hosts.foreground import Interrupted, handled_signals
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions
from infra.hosts.metrics import Histogram
from infra.hosts.serving import Servers, tcp_socket
from infra.hosts.sink import HttpSink, NoSink
from infra.hosts.step_app import StepApp
from infra.hosts.wiring import (
    Shared,
    convention_policy,
    directory_secrets,
    external_authenticator,
    external_authority,
    own_mounts,
    step_ports,
    step_settings,
    vault_client,
)
from infra.sources.tree_watch import TreeWatch
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.wiring.access import FileAccess


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
    configuration = load(root / "lockstep.yaml")
    state = root / "state"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{state} cannot be made ({error.strerror}); give another --root") from None
    with ExitStack() as stack, handled_signals() as signals, suppress(Interrupted):
        bound = stack.enter_context(closing(tcp_socket(listen, None)))
        http, health = HttpClient(settings), HttpClient(impatient(settings))
        stack.callback(health.close)
        stack.callback(http.close)
        client = vault_client(http, external_authenticator(http, settings), f"lockstep-{step.name}")
        stack.callback(client.close)
        database = stack.enter_context(closing(LocalDatabase(state / "local.db")))
        wiring, access = _wiring(root, configuration, settings.address), FileAccess(root / "access.yaml")
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

        def on_change(_: frozenset[Path]) -> None:
            if problem := access.reload():
                ready(problem)
            wiring.reload()

        watch = TreeWatch([root / "wiring", root / "access.yaml"], on_change, name="wiring-watch", notice=ready)
        watch.start()
        stack.callback(watch.stop)
        servers = Servers(_app(step, client, shared, AuthorityGate(health)))
        servers.add_tcp(bound)
        signals.then(servers.stop)
        servers.run(lambda: ready(f"lockstep step {step.name} ready on port {bound.getsockname()[1]}"))
        signals.ignore()


def _wiring(root: Path, configuration: Configuration, address: str) -> GuardedWiring:
    servers = (address, *configuration.authority.allowed_servers)
    wiring = GuardedWiring(root / "wiring", convention_policy(configuration), servers, own_mounts(configuration))
    wiring.reload()
    return wiring


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
