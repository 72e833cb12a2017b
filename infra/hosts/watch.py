"""The watch as a process of its own, a Knative ContainerSource: what changes in a cluster goes to K_SINK.

`python -m infra.hosts.watch`; the cluster as kubectl finds it (in a pod: its own), LOCKSTEP_CONTEXT for another
context, LOCKSTEP_CLUSTER for the name that events carry (default `local`), K_SINK, K_CE_OVERRIDES and K_CA_CERTS as
Knative sets them; LISTEN_ADDRESS, if it is to answer about its health. It holds no state: at a start all manifests are
told of as added. Orders that manifests carry as annotations are told too, and manifests of stores that External Secrets
Operator is only hastened to serve are touched (infra/hosts/cluster/assisting.py). Exit status 2 for settings that
cannot be used.

With LOCKSTEP_AUDIT_FILE or LOCKSTEP_AUDIT_SOCKET it follows the authority's audit stream too (docs/authority.md), whose
mounts are named from VAULT_NAMESPACE on. LOCKSTEP_AUDIT_POSITION is the one file that it then keeps, so that a restart
goes on where it was; without one each start orders a sweep.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from events.cloudevent import CloudEvent
from events.envelope import issue
from events.event import Event
from events.schedule import ScheduleRef, ScheduleTicked
from functions._ports import Settings
from functions._shards import SWEEP
from infra.hosts.audit_stream import Followed, OwnWrites, from_environment, wired
from infra.hosts.audit_stream import source as audit_source
from infra.hosts.cluster.assisting import Assistant, Overheard
from infra.hosts.cluster.following import ClusterFollowing, source_feeds
from infra.hosts.cluster.memory import RememberedManifests
from infra.hosts.cluster.orders import AnnotatedOrders
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.configuration import ConfigurationError
from infra.hosts.foreground import handled_signals
from infra.hosts.health import HealthApp, listening
from infra.hosts.local.feeds import WiringFeed
from infra.hosts.platform import Watch
from infra.hosts.schedules import MANIFESTS_PER_SHARD
from infra.hosts.serving import ListenError, plain_http
from infra.hosts.sink import SINK, HttpSink, sink_from
from infra.kubernetes.api import Api
from infra.kubernetes.settings import ClusterSettings, InvalidSettings, settings_from
from infra.sources.vault_audit.source import AuditSource, Surroundings
from infra.wiring.cluster import ClusterWiring, cluster_feeds

_log = logging.getLogger("lockstep.watch")


class SinkTeller:
    """Hands a source's events to the sink; returns when they are durable there. Raises Retry."""

    def __init__(self, sink: HttpSink, name: str, cluster: str) -> None:
        self._sink = sink
        self._source = f"/lockstep/{cluster}/sources/{name}"

    def __call__(self, event: Event) -> None:
        self.all((event,))

    def all(self, events: Iterable[Event]) -> None:
        """In order; where one is not taken the ones before it were, and are told again: hints may be."""
        self._sink.send(tuple(self._wire(event) for event in events))

    def _wire(self, event: Event) -> CloudEvent:
        return issue(event, source=self._source, now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Audited:
    """The audit stream that is followed beside a cluster, and the authority's namespace that it is read from."""

    followed: Followed
    namespace: str = ""
    plain: bool = False  # whether somebody vouches for a socket beyond the loopback

    def source(self, wiring: ClusterWiring, tell: SinkTeller) -> AuditSource:
        """Tells of writes to what is wired. Raises ListenError."""

        def sweep() -> None:
            shards = min(4096, 1 + len(wiring.snapshot()) // MANIFESTS_PER_SHARD)
            schedule, at = ScheduleRef(name=SWEEP), datetime.now(UTC)
            tell.all(ScheduleTicked(schedule=schedule, at=at, shard=shard, shards=shards) for shard in range(shards))

        around = Surroundings(own=OwnWrites(), wired=wired(wiring), tell=tell.all, sweep=sweep, notice=_notice)
        gap = "what was written before the watch began"
        return audit_source(self.followed, around, namespace=self.namespace, plain=self.plain, gap=gap)


def audited_from(environ: Mapping[str, str]) -> Audited | None:
    """What the variables ask to follow, None for nothing. Raises ConfigurationError, ListenError."""
    followed = from_environment(environ)
    namespace = environ.get("BAO_NAMESPACE") or environ.get("VAULT_NAMESPACE") or ""
    return Audited(followed, namespace.strip("/"), plain_http(environ)) if followed else None


class ClusterWatch:
    """Everything that tells of one cluster, without steps beside it."""

    def __init__(self, settings: ClusterSettings, sink: HttpSink, cluster: str, audited: Audited | None = None) -> None:
        """`audited` is the audit stream that is followed too. Raises ListenError."""
        self._watches: tuple[Watch, ...] = ()
        self._started = threading.Event()
        self._api = Api(settings)
        self._wiring = ClusterWiring(cluster_feeds(self._api), changed=self._ring, notice=_notice)
        publications = ClusterPublications(self._wiring, Statuses(self._wiring, self._api))
        feed = WiringFeed(
            self._wiring, RememberedManifests(), bind=lambda _: None, tell=SinkTeller(sink, "wiring", cluster)
        )
        self._assistant = Assistant(self._wiring, self._api, notice=_notice)
        orders = AnnotatedOrders(
            self._wiring, SinkTeller(sink, "annotations", cluster), now=lambda: datetime.now(UTC),
            lifetime=Settings().order_lifetime, publications=publications, notice=_notice,
        )  # fmt: skip
        self._following = ClusterFollowing(
            self._wiring, feed, WiredObjects(self._wiring, publications), source_feeds(self._api),
            Overheard(SinkTeller(sink, "kubernetes", cluster), self._assistant), orders=orders, notice=_notice,
        )  # fmt: skip
        self._audit = audited.source(self._wiring, SinkTeller(sink, "audit", cluster)) if audited else None

    def start(self) -> None:
        self._wiring.start()
        self._assistant.start()
        self._watches = self._following.start()
        if self._audit is not None:
            self._audit.start()
        self._started.set()

    def stop(self) -> None:
        """End all threads. Raises TimeoutError."""
        if self._audit is not None:
            self._audit.stop()
        self._following.stop()
        self._assistant.stop()
        self._wiring.stop()
        self._api.close()

    def failed(self) -> str:
        """Which thread ended that should run, "" where none did; before the start nothing did."""
        if not self._started.is_set():
            return ""
        return next((f"the watch of {name} ended" for name, one in self._watched() if not one.alive()), "")

    def unready(self) -> str:
        """What is not told of now, and why; "" where everything is."""
        if not self._started.is_set():
            return "the watch is starting"
        problems = (f"{name}: {one.last_error}" for name, one in self._watched() if one.last_error)
        return self.failed() or next(problems, "")

    def _watched(self) -> tuple[tuple[str, Watch], ...]:
        names, watches = ("Secrets", "manifests", "news", "assist"), (*self._watches, self._assistant)
        named: tuple[tuple[str, Watch], ...] = tuple(zip(names, watches, strict=True))
        return (*named, ("the audit stream", self._audit)) if self._audit is not None else named

    def _ring(self) -> None:
        self._following.ring()  # made after the wiring, and before that is started


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    environ = os.environ if environ is None else environ
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        settings = settings_from(environ, context=environ.get("LOCKSTEP_CONTEXT", ""))
        sink = sink_from(environ)
        audited = audited_from(environ)
    except (InvalidSettings, ConfigurationError, ListenError) as error:
        _log.error("%s", error)
        return 2
    if not isinstance(sink, HttpSink):
        _log.error("there is nobody to tell; set %s to the broker's ingress", SINK)
        return 2
    ending = threading.Event()
    try:
        watch = ClusterWatch(settings, sink, environ.get("LOCKSTEP_CLUSTER", "local"), audited)
        with handled_signals() as signals, listening(HealthApp(watch.failed, watch.unready), environ) as port:
            try:
                signals.then(ending.set)
                if port:
                    sys.stdout.write(f"lockstep watch ready on port {port}\n")
                    sys.stdout.flush()
                watch.start()
                ending.wait()
            finally:
                signals.ignore()
                watch.stop()
    except ListenError as error:
        _log.error("%s", error)
        return 2
    return 0


def _notice(text: str) -> None:
    _log.warning("%s", text)


if __name__ == "__main__":
    sys.exit(main())
