"""`record` as a process of its own, beside a broker elsewhere: the ledger of one ROOT, with what its auditors ask.

The same ROOT as `lockstep up` uses, held by the same lock, so that `lockstep audit` and `lockstep dead-letters` work
on it where it runs.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from functions import step as step_named
from functions._failures import StepFailure
from functions._ports import Ledger, Ports
from infra.broker.errors import BrokerError
from infra.broker.retention import Retention
from infra.hosts.anchoring import AnchoredLedger
from infra.hosts.answering import StepAnswerer
from infra.hosts.configuration import Configuration, ConfigurationError
from infra.hosts.control import audit, dead_letters, happenings
from infra.hosts.control.request import ControlError, Handler
from infra.hosts.foreground import Interrupted, handled_signals
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.local.controlled import Controlled
from infra.hosts.local.instance import Parts, ledger_id
from infra.hosts.local.lock import InstanceLock
from infra.hosts.local.prepared_step import configured, logged_in
from infra.hosts.local.running import SOCKET
from infra.hosts.recording.app import RecordApp, RecordPage
from infra.hosts.recording.book import RecordBook
from infra.hosts.recording.endpoint import RecordEndpoint
from infra.hosts.senders import Senders
from infra.hosts.serving import Servers, plain_http, tcp_socket, unix_socket
from infra.hosts.sink import HttpSink, sink_from
from infra.hosts.wiring import SystemClock, external_authority, step_settings
from infra.hosts.withheld import Withheld
from infra.stores.vault.anchors import VaultAnchors
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.transit import TransitSigner
from infra.wiring.index import Index

_TIDY = 60.0  # seconds between prunings
_ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "audit/verify"): audit.verified,
    ("GET", "audit/entries"): audit.entries,
    ("POST", "audit/anchor"): audit.anchored,
    ("GET", "events"): happenings.events,
    ("GET", "dead-letters"): dead_letters.listed,
    ("GET", "dead-letters/show"): dead_letters.shown,
    ("POST", "dead-letters/replay"): dead_letters.replayed,
    ("POST", "dead-letters/drop"): dead_letters.dropped,
}


@dataclass(frozen=True, slots=True)
class Recording:
    """What the control API's handlers for ledger and dead letters ask of an instance's parts."""

    root: Path
    configuration: Configuration
    evidence: RecordBook
    wiring: "Unwired"
    clients: Mapping[str, VaultClient]


class Unwired:
    """Here no manifest is known: of a namespace, the timeline shows its Secrets and manifests, and no paths."""

    def snapshot(self) -> Index:
        return Index(())


def serve(environ: Mapping[str, str], ready: Callable[[str], None], notice: Callable[[str], None]) -> None:
    """Keep the ledger of LOCKSTEP_ROOT until SIGTERM, at LISTEN_ADDRESS.

    Raises ConfigurationError, InvalidSettings, ListenError, AlreadyRunningError, StoreError.
    """
    root = _root(environ)
    with ExitStack() as stack, handled_signals() as signals, suppress(Interrupted):
        listen = environ.get("LISTEN_ADDRESS", "127.0.0.1:8080")
        bound = stack.enter_context(closing(tcp_socket(listen, None, plain=plain_http(environ))))
        servers = Servers(_app(stack, root, environ, notice))
        servers.add_tcp(bound)
        _on_socket(stack, root, servers)
        signals.then(servers.stop)
        servers.run(lambda: ready(f"lockstep step record ready on port {bound.getsockname()[1]}"))
        signals.ignore()


def _root(environ: Mapping[str, str]) -> Path:
    named = environ.get("LOCKSTEP_ROOT", "")
    if not named:
        raise ConfigurationError("LOCKSTEP_ROOT is not set; give the directory that the ledger is kept in")
    state = Path(named).absolute() / "state"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{state} cannot be made ({error.strerror}); give another LOCKSTEP_ROOT") from None
    return state.parent


def _app(stack: ExitStack, root: Path, environ: Mapping[str, str], notice: Callable[[str], None]) -> RecordApp:
    settings = external_authority(environ)
    if settings is None:
        raise ConfigurationError("the ledger is anchored at an authority; set VAULT_ADDR or BAO_ADDR")
    configuration = configured(root, environ)
    lock = InstanceLock(root / "state")
    lock.acquire()
    stack.callback(lock.release)
    health = HttpClient(impatient(settings))
    stack.callback(health.close)
    client = logged_in(stack, settings, environ, "record")
    sink = sink_from(environ)
    sent_again = (lambda event: sink.send((event,))) if isinstance(sink, HttpSink) else None
    book = stack.enter_context(closing(RecordBook(root / "state" / "broker.db", send=sent_again)))
    stack.enter_context(_tidied(book, configuration, notice))
    mounts = configuration.authority
    anchored = AnchoredLedger(
        book.ledger,
        VaultAnchors(KvEngine(client, "anchor"), mounts.claims_mount, configuration.cluster),
        TransitSigner(client, mounts.transit_mount),
        ledger_id(root / "state"),
        lambda: datetime.now(UTC),
    )
    source = f"/lockstep/{configuration.cluster}/steps/record"
    answerer = StepAnswerer(step_named("record"), _ports(anchored, configuration), source)
    control = _Control(Recording(root, configuration, book, Unwired(), {"record": client}))
    return RecordApp(
        RecordEndpoint(book, answerer), RecordPage(book, AuthorityGate(health)), Controlled(control, Senders(()))
    )


def _ports(ledger: Ledger, configuration: Configuration) -> Ports:
    """The ledger alone: no wiring is bound to this step, and it may read none."""
    own = ("ledger", "clock", "settings")
    absent = {each.name: cast("Any", Withheld("record", each.name)) for each in fields(Ports) if each.name not in own}
    return Ports(ledger=ledger, clock=SystemClock(), settings=step_settings(configuration), **absent)


class _Control:
    """As infra.hosts.control.routes, with what there is to ask here."""

    def __init__(self, recording: Recording) -> None:
        self._parts = cast("Parts", recording)  # these handlers ask for no more of an instance than Recording has

    def __call__(self, method: str, path: str, arguments: dict[str, Any], by: str) -> tuple[int, Any]:
        handler = _ROUTES.get((method, path))
        if handler is None:
            return 404, {"error": f"{path}: here is the ledger alone; ask where the steps run, or with kubectl"}
        try:
            return 200, handler(self._parts, arguments, by)
        except ControlError as error:
            return error.status, {"error": error.message}
        except StepFailure as failure:
            return 503, {"error": failure.reason}
        except BrokerError as failure:
            return 503, {"error": str(failure)}


def _on_socket(stack: ExitStack, root: Path, servers: Servers) -> None:
    path = root / "state" / SOCKET
    bound = stack.enter_context(closing(unix_socket(path)))
    stack.callback(path.unlink, missing_ok=True)
    servers.add_unix(bound)


@contextmanager
def _tidied(book: RecordBook, configuration: Configuration, notice: Callable[[str], None]) -> Iterator[None]:
    """Events that were kept long enough go, now and then; the ledger and open dead letters stay."""
    ending = threading.Event()
    retention = Retention(days=configuration.delivery.retention_hours / 24)

    def run() -> None:
        while not ending.wait(_TIDY):
            try:
                book.pruner.prune(retention)
            except BrokerError as failure:
                notice(f"old events could not be removed and will be later: {failure}")

    thread = threading.Thread(target=run, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
