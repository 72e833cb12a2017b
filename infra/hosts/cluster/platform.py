"""The platform of a cluster: manifests, Secrets and workloads behind its API server, followed by watches."""

from collections.abc import Callable
from datetime import UTC, datetime

from events.event import Event
from events.references import ManifestRef, PathRef, SecretRef
from functions._step import Step
from functions._workloads import Workload
from infra.hosts.cluster.adapters import ClusterAdapters
from infra.hosts.cluster.assisting import Assistant, Overheard
from infra.hosts.cluster.conditions import refusal_in
from infra.hosts.cluster.following import ClusterFollowing, source_feeds
from infra.hosts.cluster.known import KnownSources, KnownTargets
from infra.hosts.cluster.leaving import LeavingPaths
from infra.hosts.cluster.orders import AnnotatedOrders
from infra.hosts.cluster.refreshing import refreshing
from infra.hosts.cluster.status import STATUSES
from infra.hosts.configuration import Configuration
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.feeds import WiringFeed
from infra.hosts.local.manifests import KnownManifests
from infra.hosts.local.retiring import RetiringPaths
from infra.hosts.platform import Hooks, Notice, Watch
from infra.hosts.stopping import stop_all
from infra.hosts.wiring import step_settings
from infra.kubernetes.settings import ClusterSettings
from infra.sources.kubernetes_watch import KubernetesWatch
from infra.stores.kubernetes.workload_index import WorkloadIndex
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.wiring.index import Index


class ClusterPlatform(ClusterAdapters):
    """Implements Platform over one cluster, in one identity.

    `acts`: the steps run in this process. Otherwise they have identities of their own, which this one has no part of:
    it follows, and neither writes statuses nor looks at workloads.
    """

    def __init__(
        self, settings: ClusterSettings, configuration: Configuration, database: LocalDatabase,
        servers: tuple[str, ...] | None, notice: Notice, *, acts: bool = True,
    ) -> None:  # fmt: skip
        """Begin to follow what everything else is decided by. Raises InvalidSettings."""
        self._settings = step_settings(configuration)
        self._known = KnownManifests(database)
        self._leaving = LeavingPaths(self._known, RetiringPaths(database))
        self._notice = notice
        self._changed = self._allowed = self._rebind = _nobody  # until somebody follows
        self._following: list[Callable[[], object]] = []
        self._workload_index: WorkloadIndex | None = None
        self._watch: KubernetesWatch | None = None
        self._acts = acts
        shown = STATUSES if acts else frozenset[str]()
        super().__init__(settings, configuration, servers, notice, alone=not acts, shown=shown)
        self.title = (
            f"cluster {settings.server} ({settings.context})" if settings.context else f"cluster {settings.server}"
        )
        self._assistant = Assistant(self.wiring, self.api, notice=notice)
        self.known_sources = KnownSources(self.sources, self._watched, self.wired.kind_of)
        self.known_targets = KnownTargets(self.targets, self._watched)
        self.workloads = KubernetesWorkloads(self.api, self._find)
        self.begin()

    def retiring(self, index: Index) -> tuple[PathRef, ...]:
        return self._leaving.of(index)

    def ready(self) -> bool:
        return self.gate.ready()

    def runs(self, step: Step) -> bool:
        return True

    def refusal(self, manifest: ManifestRef) -> str:
        held = self.wiring.held(manifest) if self.wiring.mode(manifest) == "own" else None
        return refusal_in(held.status) if held is not None else ""

    def prepared(self, step: Step) -> Step:
        return refreshing(step, self.status)

    def observe(self, event: Event) -> None:
        self.outcomes.observe(event)
        self._leaving.observe(event)
        self._assistant.observe(event)

    def refused(self, step: str, event: Event, reason: str) -> None:
        self.outcomes.refused(step, event, reason)

    def follow(self, hooks: Hooks) -> tuple[Watch, ...]:
        orders = AnnotatedOrders(
            self.wiring, hooks.tell("annotations"), now=lambda: datetime.now(UTC),
            lifetime=self._settings.order_lifetime, publications=self.publications, notice=self._notice,
        )  # fmt: skip
        feed = WiringFeed(self.wiring, self._known, bind=hooks.bind, tell=hooks.tell("wiring"))
        told = hooks.tell("kubernetes")
        tell = Overheard(told, self._assistant) if self._acts else told
        following = ClusterFollowing(
            self.wiring, feed, self.wired, source_feeds(self.api), tell,
            orders=orders, status=self.status, head=self.targets.head_of, notice=self._notice,
        )  # fmt: skip
        self._changed, self._allowed = following.ring, hooks.sweep
        self._rebind = lambda: self._bind_again(hooks.bind)
        self._following.append(following.stop)
        self._watch = following.watch
        watches = following.start()
        if not self._acts:
            return (*watches, self.access.followed, self.suspensions.followed)
        index = WorkloadIndex(self.api, self._settings, hooks.tell("workloads").all, notice=self._notice)
        self._following.append(index.stop)
        index.start()
        self._workload_index = index
        return (*watches, self.access.followed, self.suspensions.followed)

    def unfollow(self) -> None:
        self._changed = self._allowed = self._rebind = _nobody
        stop_all(self._following)

    def begin(self) -> None:
        if self._acts:
            self._assistant.start()
            self._stopping.append(self._assistant.stop)
        super().begin()

    def _ring(self) -> None:
        self._changed()

    def _look_again(self) -> None:
        self._allowed()  # what was denied may be allowed now

    def _redeclared(self) -> None:
        self._rebind()

    def _bind_again(self, bind: Callable[[Index], None]) -> None:
        """With the paths of the administrators' credentials, as they are declared now."""
        bind(self.wiring.snapshot())
        self._allowed()

    def _told(self, ref: SecretRef) -> str:
        if self._watch is None:
            return ""
        try:
            seen = self._watch.held("Secret", ref)
        except LookupError:
            return ""
        return seen.version if seen is not None else ""

    def _watched(self) -> KubernetesWatch | None:
        return self._watch

    def _find(self, namespace: str) -> tuple[Workload, ...] | None:
        return self._workload_index.find(namespace) if self._workload_index is not None else None


def _nobody() -> None:
    """Nobody follows what changes, yet or any more."""
