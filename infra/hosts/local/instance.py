"""`lockstep up`: authority, broker, steps, sources and schedules of one ROOT, started and stopped in order."""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from events.envelope import Received
from events.event import Event
from events.references import PathRef, Version
from events.schedule import ScheduleRef, ScheduleTicked
from functions import STEPS
from functions._capability import Capability
from functions._leaks import SCHEDULE as INDEX
from functions._manifests.rotation import Rotation
from functions._rollout_records import SCHEDULE as ROLLOUTS
from functions._rotation_records import SCHEDULE as ROTATIONS
from functions._shards import START
from infra.broker.broker import Broker
from infra.broker.chaos import Chaos
from infra.broker.limits import Limit, Limits
from infra.broker.retention import Retention
from infra.broker.subscriber import Subscriber
from infra.broker.trigger import Trigger, parse_documents
from infra.deploy.triggers import triggers
from infra.hosts.admitting import SOURCES, admission
from infra.hosts.alerts import MOST_ALERTS
from infra.hosts.anchoring import AnchoredLedger
from infra.hosts.answering import Observer, StepAnswerer
from infra.hosts.audit_stream import OwnWrites, configured, source, wired
from infra.hosts.configuration import Configuration, ConfigurationError, load
from infra.hosts.evidence import Evidence
from infra.hosts.local.authority import LocalAuthority
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.feeds import Teller
from infra.hosts.local.lock import InstanceLock
from infra.hosts.local.machine import Machine
from infra.hosts.metrics import Histogram
from infra.hosts.openbao.private_files import write_private
from infra.hosts.platform import AccessPolicy, Hooks, Platform, PublicationBook, SnapshotWiring, SuspensionBook, Watch
from infra.hosts.presuming import Presumption
from infra.hosts.schedules import MANIFESTS_PER_SHARD, Schedule, Ticker
from infra.hosts.stopping import stop_all
from infra.hosts.views.leaving import leaving
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.place import Place
from infra.hosts.views.trouble import conflict
from infra.hosts.views.written import written_of
from infra.hosts.wiring import Shared, counting, plain_beyond_loopback, step_ports, step_settings
from infra.kubernetes.settings import ClusterSettings
from infra.sources.vault_audit.source import AuditSource, Surroundings
from infra.stores.vault.anchors import VaultAnchors
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.client import VaultClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.transit import TransitSigner
from infra.wiring.index import Index

_log = logging.getLogger("lockstep")
_SWEEP = next(step for step in STEPS if step.name == "sweep")
ROLLOUT_INTERVAL = 15.0  # seconds between looks at what workloads wait for; their own changes are told at once
MAINTENANCE = 15.0  # seconds between renewals of idle tokens and prunings


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside ROOT."""

    seal_key: Path | None = None
    chaos: Chaos | None = None
    drain_seconds: float = 10.0
    cluster: ClusterSettings | None = None  # None: the directories of this machine
    steps_at: str = ""  # where steps run that do not run here; `{step}` stands for the name, "" for none
    settings: Path | None = None  # lockstep.yaml, where it is not ROOT's


@dataclass
class Parts:
    """The running pieces, for the control API and the metrics."""

    root: Path
    configuration: Configuration
    authority: LocalAuthority
    database: LocalDatabase
    publications: PublicationBook
    suspensions: SuspensionBook
    wiring: SnapshotWiring
    access: AccessPolicy
    platform: Platform
    broker: Broker
    evidence: Evidence  # what the broker tells; whoever reads it needs no more
    lookups: Lookups
    shared: Shared
    tell: dict[str, Teller]
    clients: dict[str, VaultClient]
    calls: Counter[str] = field(default_factory=Counter)
    notices: list[str] = field(default_factory=list)
    propagation: Histogram = field(default_factory=Histogram)
    watches: tuple[Watch, ...] = ()
    audit: AuditSource | None = None
    began: float = field(default_factory=time.monotonic)

    def emit(self, source: str) -> Teller:
        return self.tell[source]


class Instance:
    """One ROOT at work. `start` returns when everything is up; `stop` when everything is down."""

    def __init__(self, root: Path, options: Options | None = None) -> None:
        self._root = root.absolute()
        self._options = options or Options()
        self._state = self._root / "state"
        self._stopping: list[Callable[[], object]] = []
        self._maintenance = threading.Event()
        self._sweeper: Ticker | None = None
        self.lock = InstanceLock(self._state)
        self.parts: Parts

    # --- starting -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Raises AlreadyRunningError, ConfigurationError, AccessError, OpenBaoError, StoreError; leaves nothing up."""
        try:
            self._lay_out()
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename or self._root} cannot be used ({error.strerror}); give another --root, "
                "or see who owns it"
            ) from None
        self.lock.acquire()
        self._stopping.append(self.lock.release)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _lay_out(self) -> None:
        for folder, mode in ((self._root, 0o755), (self._state, 0o700)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        self._state.chmod(0o700)
        for folder in (self._root / "wiring", self._root / "targets", self._root / "namespaces"):
            folder.mkdir(exist_ok=True)

    def _start(self) -> None:
        configuration = load(self._options.settings or self._root / "lockstep.yaml")
        notices: list[str] = []
        calls: Counter[str] = Counter()
        database = LocalDatabase(self._state / "local.db")
        self._stopping.append(database.close)
        authority = LocalAuthority(
            self._root,
            configuration,
            seal_key=self._options.seal_key,
            notice=_noticing(notices),
            on_call=counting(calls),
        )
        self._stopping.append(authority.stop)
        authority.start()
        platform = self._platform(configuration, authority, database, notices)
        self._stopping.append(platform.close)
        shared = Shared(
            sources=platform.sources,
            targets=platform.targets,
            workloads=platform.workloads,
            publications=platform.publications,
            wiring=platform.wiring,
            access=platform.access,
            suspensions=platform.suspensions,
            settings=step_settings(configuration),
            configuration=configuration,
            notice=_noticing(notices),
            declared=platform.declared.named,
        )
        if platform.access.open:
            notices.append(
                f"no {Place.of(platform, self._root).access}: one trust domain, every wired path may be published and "
                "read by all"
            )
        if authority.development_seal:
            notices.append("development seal: the key lies beside the data it protects; give --seal-key elsewhere")
        clients = {step.name: authority.client(step) for step in STEPS}
        propagation = Histogram()
        broker = self._broker(platform, clients, shared, authority, propagation)
        lookups = Lookups(
            wiring=platform.wiring,
            publications=platform.publications,
            sources=platform.sources,
            targets=platform.targets,
            suspensions=platform.suspensions,
            access=platform.access,
            newest=_newest(clients["sweep"]),
            refused=platform.refusal,
            overwritten=partial(conflict, broker),
            written=partial(written_of, platform.wiring),
            leaving=partial(leaving, step_ports(_SWEEP, clients["sweep"], shared, None).tombstones),
        )
        self.parts = Parts(
            root=self._root,
            configuration=configuration,
            authority=authority,
            database=database,
            publications=platform.publications,
            suspensions=platform.suspensions,
            wiring=platform.wiring,
            access=platform.access,
            platform=platform,
            broker=broker,
            evidence=broker,
            lookups=lookups,
            shared=shared,
            tell={name: Teller(broker, name, configuration.cluster, _now) for name in SOURCES},
            clients=clients,
            calls=calls,
            notices=notices,
            propagation=propagation,
        )
        self._bind_policies(platform.wiring.snapshot())
        broker.start()
        self._stopping.append(platform.unfollow)
        self.parts.watches = platform.follow(Hooks(self.parts.emit, self._bind_policies, self._sweep_now))
        self._follow_audit()
        self._start_schedules(configuration)

    def _broker(
        self, platform: Platform, clients: dict[str, VaultClient], shared: Shared, authority: LocalAuthority,
        propagation: Histogram,
    ) -> Broker:  # fmt: skip
        configuration, steps = shared.configuration, [step for step in STEPS if platform.runs(step)]
        delivery = configuration.delivery
        subscribers: dict[str, Subscriber] = {}
        elsewhere = self._elsewhere([step.name for step in steps], delivery.workers)
        broker = Broker(
            self._state / "broker.db",
            [],
            {},
            admission(configuration.principals),
            limits=Limits(
                by_principal={
                    # Our own sources say what is, once: a first start tells of every manifest.
                    "source": Limit(rate=100_000, burst=200_000, pending=delivery.pending_limit),
                    # A webhook comes whole or not at all: its alerts may be many, if they do not come all the time.
                    "reporter": Limit(rate=100, burst=MOST_ALERTS, pending=delivery.pending_limit),
                }
                | {
                    f"token:{one.name}": Limit(rate=one.events_per_second, burst=int(2 * one.events_per_second) + 1)
                    for one in configuration.principals
                },
                total=delivery.pending_limit,
            ),
            workers=delivery.workers,
            backoff_cap=delivery.backoff_cap_seconds,
            chaos=self._options.chaos,
            each=[(step.name, event.TYPE) for step in steps for event in step.each],
            proves=[(step.name, event.TYPE) for step in steps for event in step.proves],
        )
        self._stopping.append(lambda: broker.drain(self._options.drain_seconds))
        serving = Presumption(lambda: authority.gate.ready() and platform.ready())
        for step in steps:
            if step.name in elsewhere:
                subscribers[step.name] = elsewhere[step.name]
                continue
            ledger = self._ledger(broker, clients[step.name], configuration) if step.name == "record" else None
            ports = step_ports(step, clients[step.name], shared, ledger)
            subscribers[step.name] = StepAnswerer(
                platform.prepared(step),
                ports,
                f"/lockstep/{configuration.cluster}/steps/{step.name}",
                ready=serving.ready,
                doubt=serving.doubt,
                observe=_both(propagation.observe_propagation, platform.observe),
                refused=platform.refused,
            )
        broker.replace(_with_delivery(configuration, subscribers), subscribers)
        return broker

    def _elsewhere(self, steps: Collection[str], workers: int) -> Mapping[str, Subscriber]:
        """The steps that run in processes of their own: all but the one that keeps this broker's ledger."""
        if not self._options.steps_at:
            return {}
        from infra.hosts.remote_steps import remote_steps  # here: who runs everything himself needs no HTTP client

        names = [name for name in steps if name != "record"]
        found = remote_steps(self._options.steps_at, names, "lockstep", workers)
        for subscriber in found.values():
            self._stopping.append(subscriber.close)
        return found

    def _ledger(self, broker: Broker, client: VaultClient, configuration: Configuration) -> AnchoredLedger:
        mounts = configuration.authority
        return AnchoredLedger(
            broker.ledger,
            VaultAnchors(KvEngine(client, "anchor"), mounts.claims_mount, configuration.cluster),
            TransitSigner(client, mounts.transit_mount),
            ledger_id(self._state),
            _now,
        )

    def _bind_policies(self, index: Index) -> None:
        parts = self.parts
        confirmed = (one.path for one in parts.publications.all() if one.manifest.kind != Rotation.KIND)
        retiring = parts.platform.retiring(index)
        parts.authority.apply_policies(index, [*confirmed, *retiring], parts.platform.declared.all())

    def _platform(
        self, configuration: Configuration, authority: LocalAuthority, database: LocalDatabase, notices: list[str]
    ) -> Platform:
        servers, notice = authority.allowed_servers, _noticing(notices)
        if self._options.cluster is None:
            return Machine(self._root, configuration, database, servers, notice)
        # Here, and only here: who works with files need not load what speaks to a cluster.
        from infra.hosts.cluster.platform import ClusterPlatform

        return ClusterPlatform(
            self._options.cluster, configuration, database, servers, notice, acts=not self._options.steps_at
        )

    def _follow_audit(self) -> None:
        """Before the sweep that each start makes: what the file held before is for that one to find."""
        parts, authority = self.parts, self.parts.authority
        followed = configured(parts.configuration.audit, authority.audit_file, self._state)
        if not followed:
            return
        around = Surroundings(
            own=OwnWrites(None if authority.embedded else parts.clients["sweep"], _noticing(parts.notices)),
            wired=wired(parts.wiring),
            tell=parts.emit("audit").all,
            sweep=self._sweep_now,
            notice=_noticing(parts.notices),
        )
        parts.audit = source(followed, around, namespace=authority.settings.namespace, plain=plain_beyond_loopback())
        self._stopping.append(parts.audit.stop)
        parts.audit.start()
        parts.watches = (*parts.watches, parts.audit)

    def _start_schedules(self, configuration: Configuration) -> None:
        emit = self.parts.emit("schedule")
        ready = self.parts.authority.gate.ready
        sweep = Schedule("sweep", configuration.sweep.interval_seconds, self._shards)
        others = [Schedule("anchor", configuration.anchor.interval_seconds)]
        if any(Capability.ROLLOUT_WRITE in step.needs for step in STEPS if self.parts.platform.runs(step)):
            others.append(Schedule(ROLLOUTS, ROLLOUT_INTERVAL))
        others.append(Schedule(ROTATIONS, configuration.rotation.interval_seconds))
        others.append(Schedule(INDEX, configuration.leaks.index_interval_seconds, self._shards))
        self._sweeper = Ticker(sweep, _tolerant(emit), _now, wanted=ready)
        for ticker in (self._sweeper, *(Ticker(one, _tolerant(emit), _now, wanted=ready) for one in others)):
            ticker.start()
            self._stopping.append(ticker.stop)
        self._sweep_now()  # what happened while we were down
        _tolerant(emit)(ScheduleTicked(schedule=ScheduleRef(name=START), at=_now()))  # what was said last may be lost
        thread = threading.Thread(target=self._maintain, name="maintenance", daemon=True)
        thread.start()

        def end() -> None:
            self._maintenance.set()
            thread.join()

        self._stopping.append(end)

    def _shards(self) -> int:
        """How many parts a sweep has: one event's handling should stay short however much is wired."""
        wanted = self.parts.configuration.sweep.shards
        return wanted or min(4096, 1 + len(self.parts.wiring.snapshot()) // MANIFESTS_PER_SHARD)

    def _sweep_now(self) -> None:
        if self._sweeper is not None:
            self._sweeper.round()

    def _maintain(self) -> None:
        retention = Retention(days=self.parts.configuration.delivery.retention_hours / 24)
        upkeep = (self.parts.authority.maintain, lambda: self.parts.broker.pruner.prune(retention))
        while not self._maintenance.wait(MAINTENANCE):
            for keep in upkeep:  # a sealed authority must not keep the database from being pruned
                try:
                    keep()
                except Exception as failure:  # noqa: BLE001  the next round tries again, and it is shown
                    _log.warning("maintenance failed and will be tried again: %s", type(failure).__name__)

    # --- stopping -----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop in the reverse order of starting; every part is stopped even where another fails."""
        stop_all(self._stopping)


def ledger_id(state: Path) -> str:
    """Which ledger this is; a new one for a state directory set up anew."""
    path = state / "ledger.id"
    if not path.exists():
        write_private(path, secrets.token_hex(8).encode())
    return path.read_text(encoding="ascii").strip()


def _now() -> datetime:
    return datetime.now(UTC)


def _with_delivery(configuration: Configuration, steps: Collection[str]) -> tuple[Trigger, ...]:
    delivery = configuration.delivery
    broker = {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": {"name": "default", "namespace": "lockstep"},
        "spec": {
            "delivery": {
                "retry": delivery.retry,
                "backoffPolicy": "exponential",
                "backoffDelay": f"PT{delivery.backoff_seconds}S",
                "timeout": f"PT{delivery.timeout_seconds}S",
            }
        },
    }
    return parse_documents([broker, *(one for one in triggers() if one["metadata"]["name"] in steps)])


def _both(observe: Observer, shown: Callable[[Event], None]) -> Observer:
    def observed(event: Event, cause: Received) -> None:
        observe(event, cause)
        shown(event)

    return observed


def _noticing(notices: list[str]) -> Callable[[str], None]:
    def notice(text: str) -> None:
        if text not in notices:
            notices.append(text)
        _log.warning("%s", text)

    return notice


def _newest(client: VaultClient) -> Callable[[PathRef], Version | None]:
    authority = VaultAuthority(KvEngine(client))

    def newest(path: PathRef) -> Version | None:
        head = authority.head(path)
        return head.version if head is not None and not head.deleted else None

    return newest


def _tolerant(emit: Teller) -> Callable[[ScheduleTicked], None]:
    """A tick that the broker cannot take now is given up: the next one covers it."""

    def tick(event: ScheduleTicked) -> None:
        try:
            emit(event)
        except Exception as failure:  # noqa: BLE001  the schedule goes on whatever the broker says
            _log.warning("tick of %s not accepted (%s)", event.schedule.name, type(failure).__name__)

    return tick
