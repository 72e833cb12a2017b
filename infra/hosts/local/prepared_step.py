"""One step with its ports, as the environment describes them: what every server of a single step starts with."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from functions import NAMES
from functions import step as step_named
from functions._step import Step
from infra.hosts.answering import StepAnswerer
from infra.hosts.configuration import Configuration, ConfigurationError, load
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.local.database import LocalDatabase, LocalDatabaseError
from infra.hosts.local.publications import LocalPublications
from infra.hosts.local.suspensions import LocalSuspensions
from infra.hosts.metrics import Histogram
from infra.hosts.sink import sink_from
from infra.hosts.step_endpoint import StepEndpoint
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
from infra.stores.vault.settings import InvalidSettings, VaultSettings
from infra.wiring.access import AccessError, FileAccess

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


def root_from(environ: Mapping[str, str]) -> Path:
    """The installation that LOCKSTEP_ROOT names. Raises ConfigurationError."""
    root = environ.get("LOCKSTEP_ROOT", "")
    if not root:
        raise ConfigurationError("LOCKSTEP_ROOT is not set; give the directory of the installation")
    return Path(root).absolute()


@contextlib.contextmanager
def prepared(root: Path, environ: Mapping[str, str], notice: Notice) -> Iterator[PreparedStep]:
    """The step that `environ` chooses, over an existing authority and ROOT's wiring, which it follows.

    When the block is left it logs out and lets go of everything; requests must have ended by then. Raises
    ConfigurationError, InvalidSettings, AccessError, LocalDatabaseError.
    """
    step = chosen_step(environ)
    if step.name == "record":
        raise ConfigurationError("the embedded ledger belongs to the broker's process; `record` runs within `up`")
    settings = external_authority(environ)
    if settings is None:
        raise ConfigurationError("a single step needs an existing authority; set VAULT_ADDR or BAO_ADDR")
    configuration = load(root / "lockstep.yaml")
    with ExitStack() as stack:
        health = HttpClient(impatient(settings))
        stack.callback(health.close)
        client = _logged_in(stack, settings, environ, step.name)
        shared = _shared(stack, root, configuration, settings.address, notice)
        gate, propagation = AuthorityGate(health), Histogram()
        answerer = StepAnswerer(
            step,
            step_ports(step, client, shared, None),
            f"/lockstep/{configuration.cluster}/steps/{step.name}",
            ready=gate.ready,
            observe=propagation.observe_propagation,
        )
        endpoint = StepEndpoint(answerer, sink_from(environ), lambda: gate.health().reason)
        yield PreparedStep(step.name, endpoint, propagation)


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


def _logged_in(stack: ExitStack, settings: VaultSettings, environ: Mapping[str, str], step: str) -> VaultClient:
    http = HttpClient(settings)
    stack.callback(http.close)
    client = vault_client(http, external_authenticator(http, settings, environ), f"lockstep-{step}")
    stack.callback(client.close)
    return client


def _shared(stack: ExitStack, root: Path, configuration: Configuration, address: str, notice: Notice) -> Shared:
    """What the step needs besides its identity, from ROOT; followed until the stack is closed."""
    database = stack.enter_context(closing(LocalDatabase(_state(root) / "local.db")))
    wiring, access = _wiring(root, configuration, address), FileAccess(root / "access.yaml")

    def on_change(_: frozenset[Path]) -> None:
        if problem := access.reload():
            notice(problem)
        wiring.reload()

    watch = TreeWatch([root / "wiring", root / "access.yaml"], on_change, name="wiring-watch", notice=notice)
    watch.start()
    stack.callback(watch.stop)
    secrets = directory_secrets(root, configuration)
    stack.callback(secrets.close)
    return Shared(
        sources=secrets,
        targets=secrets,
        publications=LocalPublications(database),
        wiring=wiring,
        access=access,
        suspensions=LocalSuspensions(database),
        settings=step_settings(configuration),
        configuration=configuration,
        notice=notice,
    )


def _state(root: Path) -> Path:
    state = root / "state"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{state} cannot be made ({error.strerror}); give another root directory") from None
    return state


def _wiring(root: Path, configuration: Configuration, address: str) -> GuardedWiring:
    servers = (address, *configuration.authority.allowed_servers)
    wiring = GuardedWiring(root / "wiring", convention_policy(configuration), servers, own_mounts(configuration))
    wiring.reload()
    return wiring


def _ended(failure: Exception, status: int) -> SystemExit:
    sys.stderr.write(f"Error: {failure}\n")
    return SystemExit(status)
