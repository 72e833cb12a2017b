"""One step with its ports, as the environment describes them: what every server of a single step starts with."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from events.envelope import Received
from events.event import Event
from functions import NAMES
from functions import step as step_named
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.configuration import Configuration, ConfigurationError, load
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.ground import Ground, Wanted
from infra.hosts.local.database import LocalDatabaseError
from infra.hosts.metrics import Histogram
from infra.hosts.sink import sink_from
from infra.hosts.step_endpoint import StepEndpoint
from infra.hosts.wiring import (
    cluster_settings,
    external_authenticator,
    external_authority,
    step_ports,
    vault_client,
)
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import InvalidSettings, VaultSettings
from infra.wiring.access import AccessError

CONTEXT, SETTINGS = "LOCKSTEP_CONTEXT", "LOCKSTEP_SETTINGS"
_USAGE, _REFUSED = 2, 5  # the command line's exit codes
Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PreparedStep:
    """A step that can be served: what answers events, and how long changes took to their consumers."""

    name: str
    endpoint: StepEndpoint
    propagation: Histogram


def chosen_step(environ: Mapping[str, str]) -> Step:
    """The step that LOCKSTEP_STEP names. Raises ConfigurationError listing them."""
    name = environ.get("LOCKSTEP_STEP", "")
    if name not in NAMES:
        raise ConfigurationError(f"LOCKSTEP_STEP is {name!r}; choose one of {', '.join(NAMES)}")
    return step_named(name)


def root_from(environ: Mapping[str, str]) -> Path | None:
    """The installation that LOCKSTEP_ROOT names; None for a step that works in a cluster. Raises ConfigurationError."""
    if environ.get(CONTEXT):
        return None
    root = environ.get("LOCKSTEP_ROOT", "")
    if not root:
        raise ConfigurationError(
            f"LOCKSTEP_ROOT is not set; give the directory of the installation, or with {CONTEXT} a cluster's context"
        )
    return Path(root).absolute()


@contextlib.contextmanager
def prepared(root: Path | None, environ: Mapping[str, str], notice: Notice) -> Iterator[PreparedStep]:
    """The step that `environ` chooses, over an existing authority and the wiring, which it follows.

    The wiring is ROOT's, or the cluster's whose context LOCKSTEP_CONTEXT names. When the block is left it logs out and
    lets go of everything; requests must have ended by then. Raises ConfigurationError, InvalidSettings, AccessError,
    LocalDatabaseError.
    """
    step = chosen_step(environ)
    if step.name == "record":
        raise ConfigurationError(
            "the ledger has one writer: `record` runs within `up`, or by itself as `python -m infra.hosts.step`"
        )
    settings = external_authority(environ)
    if settings is None:
        raise ConfigurationError("a single step needs an existing authority; set VAULT_ADDR or BAO_ADDR")
    configuration = configured(root, environ)
    with ExitStack() as stack:
        health = HttpClient(impatient(settings))
        stack.callback(health.close)
        client = logged_in(stack, settings, environ, step.name)
        ground = _ground(stack, Wanted(step, configuration, settings.address, notice), root, environ)
        gate, propagation = AuthorityGate(health), Histogram()

        def observe(event: Event, cause: Received) -> None:
            propagation.observe_propagation(event, cause)
            ground.observe(event)

        answerer = StepAnswerer(
            ground.step,
            step_ports(step, client, ground.shared, None),
            f"/lockstep/{configuration.cluster}/steps/{step.name}",
            ready=lambda: gate.ready() and not ground.unusable(),
            observe=observe,
            refused=ground.refused,
        )
        endpoint = StepEndpoint(answerer, sink_from(environ), lambda: gate.health().reason or ground.unusable())
        yield PreparedStep(step.name, endpoint, propagation)


def configured(root: Path | None, environ: Mapping[str, str]) -> Configuration:
    """lockstep.yaml: the file that LOCKSTEP_SETTINGS names, or ROOT's. Raises ConfigurationError."""
    named = environ.get(SETTINGS, "")
    if not named:
        return load(root / "lockstep.yaml") if root is not None else Configuration()
    if not Path(named).is_file():
        raise ConfigurationError(f"{SETTINGS} is {named}, and there is no such file; mount the ConfigMap there")
    configuration = load(Path(named))
    told = environ.get("LOCKSTEP_CLUSTER", "")
    if told not in ("", configuration.cluster):
        raise ConfigurationError(
            f"LOCKSTEP_CLUSTER is {told!r} and `cluster` of {named} is {configuration.cluster!r}: claims are made in "
            "one name; render the manifests again"
        )
    return configuration


@contextlib.contextmanager
def ending_on_refusal(*others: type[Exception]) -> Iterator[None]:
    """Ends the process as the command line does where what it was told cannot be used: SystemExit, after a line."""
    unusable: tuple[type[Exception], ...] = (ConfigurationError, InvalidSettings, AccessError, *others)
    try:
        yield
    except unusable as failure:
        raise _ended(failure, _USAGE) from None
    except LocalDatabaseError as failure:
        raise _ended(failure, _REFUSED) from None


def say(line: str) -> None:
    """What a process of one step tells whoever runs it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def logged_in(stack: ExitStack, settings: VaultSettings, environ: Mapping[str, str], step: str) -> VaultClient:
    """A client in the step's own identity, logged out when the stack is closed. Raises InvalidSettings."""
    http = HttpClient(settings)
    stack.callback(http.close)
    client = vault_client(http, external_authenticator(http, settings, environ), f"lockstep-{step}")
    stack.callback(client.close)
    return client


def _ground(stack: ExitStack, wanted: Wanted, root: Path | None, environ: Mapping[str, str]) -> Ground:
    """Each place's adapters are loaded only where they are used: a start waits for what is imported."""
    if context := environ.get(CONTEXT, ""):
        from infra.hosts.cluster.step_ground import cluster_ground
        from infra.kubernetes.settings import InvalidSettings as UnusableContextError

        try:
            return cluster_ground(stack, wanted, cluster_settings(context, "", environ))
        except UnusableContextError as error:
            raise ConfigurationError(str(error)) from None
    if root is None:
        raise ConfigurationError("LOCKSTEP_ROOT is not set; give the directory of the installation")
    from infra.hosts.local.step_ground import directory_ground

    return directory_ground(stack, wanted, root)


def _ended(failure: Exception, status: int) -> SystemExit:
    sys.stderr.write(f"Error: {failure}\n")
    return SystemExit(status)
