"""The platform of a cluster: manifests, Secrets and workloads behind its API server, followed by watches."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from events.event import Event
from functions._step import Step
from functions._workloads import Workload
from infra.hosts.cluster.access import NAME as ACCESS
from infra.hosts.cluster.access import ClusterAccess
from infra.hosts.cluster.assisting import Assistant
from infra.hosts.cluster.config_map import FollowedConfigMap, config_map_feed
from infra.hosts.cluster.following import ClusterFollowing, source_feeds
from infra.hosts.cluster.gate import ClusterGate
from infra.hosts.cluster.orders import AnnotatedOrders
from infra.hosts.cluster.outcomes import Outcomes
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.status import StatusWriter
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.suspensions import NAME as SUSPENDED
from infra.hosts.cluster.suspensions import ClusterSuspensions, SuspensionWriter
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.configuration import Configuration
from infra.hosts.guarded_wiring import StoreGuard
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.feeds import WiringFeed
from infra.hosts.local.manifests import KnownManifests
from infra.hosts.platform import Hooks, Notice, Tell, Watch
from infra.hosts.wiring import convention_policy, own_mounts, step_settings
from infra.kubernetes.api import Api
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.config_maps import ConfigMapSources
from infra.stores.kubernetes.kinds import SourcesOfKinds
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.stores.kubernetes.services import ServiceSources
from infra.stores.kubernetes.workload_index import WorkloadIndex
from infra.stores.kubernetes.workloads import KubernetesWorkloads
from infra.wiring.cluster import ClusterWiring, cluster_feeds

READY_WITHIN = 30.0  # seconds


class ClusterPlatform:
    """Implements Platform over one cluster, in one identity. `calls` counts requests by verb and resource."""

    def __init__(
        self, settings: ClusterSettings, configuration: Configuration, database: LocalDatabase,
        servers: tuple[str, ...] | None, notice: Notice,
    ) -> None:  # fmt: skip
        """Begin to follow what everything else is decided by. Raises InvalidSettings."""
        self._settings = step_settings(configuration)
        self._database = database
        self._notice = notice
        self._changed = self._allowed = _nobody  # until somebody follows
        self._following: list[Callable[[], object]] = []
        self._stopping: list[Callable[[], object]] = []
        self._workload_index: WorkloadIndex | None = None
        self.calls: Counter[tuple[str, str]] = Counter()
        self.api = api = Api(settings, self._count)
        self.gate = ClusterGate(api)
        self.title = (
            f"cluster {settings.server} ({settings.context})" if settings.context else f"cluster {settings.server}"
        )
        self.wiring = ClusterWiring(
            cluster_feeds(api), changed=self._ring, policy=convention_policy(configuration),
            guard=StoreGuard(servers, own_mounts(configuration)), notice=notice,
        )  # fmt: skip
        self.access = ClusterAccess(
            config_map_feed(api, ACCESS), trusting=True, changed=self._look_again, notice=notice
        )
        self.suspensions = ClusterSuspensions(
            config_map_feed(api, SUSPENDED), self.wiring, SuspensionWriter(api),
            changed=self._ring, notice=notice,
        )  # fmt: skip
        statuses = Statuses(self.wiring, api)
        self.publications = ClusterPublications(self.wiring, statuses)
        self._status = StatusWriter(self.wiring, statuses, notice=notice)
        self._outcomes = Outcomes(self.wiring, self._status)
        self._assistant = Assistant(self.wiring, api, notice=notice)
        self._wired = WiredObjects(self.wiring, self.publications)
        secrets = KubernetesSecrets(api, self.wiring.uid_of)
        self.targets = secrets
        self.sources = SourcesOfKinds(
            {"Secret": secrets, "ConfigMap": ConfigMapSources(api), "Service": ServiceSources(api)}, self._wired.kind_of
        )
        self.workloads = KubernetesWorkloads(api, self._find)
        self._begin()

    def ready(self) -> bool:
        return self.gate.ready()

    def runs(self, step: Step) -> bool:
        return True

    def observe(self, event: Event) -> None:
        self._outcomes.observe(event)
        self._assistant.observe(event)

    def refused(self, step: str, event: Event, reason: str) -> None:
        self._outcomes.refused(step, event, reason)

    def follow(self, hooks: Hooks) -> tuple[Watch, ...]:
        orders = AnnotatedOrders(
            self.wiring, hooks.tell("annotations"), now=lambda: datetime.now(UTC),
            lifetime=self._settings.order_lifetime, notice=self._notice,
        )  # fmt: skip
        feed = WiringFeed(self.wiring, KnownManifests(self._database), bind=hooks.bind, tell=hooks.tell("wiring"))
        tell = _Overheard(hooks.tell("kubernetes"), self._assistant)
        following = ClusterFollowing(
            self.wiring, feed, self._wired, source_feeds(self.api), tell,
            orders=orders, status=self._status, notice=self._notice,
        )  # fmt: skip
        self._changed, self._allowed = following.ring, hooks.sweep
        self._following.append(following.stop)
        watches = following.start()
        index = WorkloadIndex(self.api, self._settings, hooks.tell("workloads").all, notice=self._notice)
        self._following.append(index.stop)
        index.start()
        self._workload_index = index
        return (*watches, self.access.followed, self.suspensions.followed)

    def unfollow(self) -> None:
        self._changed = self._allowed = _nobody
        _stop_all(self._following)

    def close(self) -> None:
        try:
            _stop_all(self._stopping)
        finally:
            self.api.close()

    def _begin(self) -> None:
        followed: list[ClusterWiring | FollowedConfigMap] = [
            self.wiring, self.access.followed, self.suspensions.followed
        ]  # fmt: skip
        try:
            for part in (*followed, self._status, self._assistant):
                part.start()
                self._stopping.append(part.stop)
            for part in followed:
                part.wait_ready(READY_WITHIN)
            self.wiring.reload()
        except BaseException:
            self.close()
            raise

    def _ring(self) -> None:
        self._changed()

    def _look_again(self) -> None:
        self._allowed()  # what was denied may be allowed now

    def _find(self, namespace: str) -> tuple[Workload, ...] | None:
        return self._workload_index.find(namespace) if self._workload_index is not None else None

    def _count(self, verb: str, resource: str) -> None:
        self.calls[verb, resource] += 1


def _nobody() -> None:
    """Nobody follows what changes, yet or any more."""


def _stop_all(parts: list[Callable[[], object]]) -> None:
    """In the reverse order; every part is stopped even where another fails."""
    failures: list[Exception] = []
    while parts:
        try:
            parts.pop()()
        except Exception as failure:  # noqa: BLE001  collected, and raised when all have stopped
            failures.append(failure)
    if failures:
        raise ExceptionGroup("not everything stopped cleanly", failures)


class _Overheard:
    """Tells the broker, and the assistant what the broker took."""

    def __init__(self, tell: Tell, assistant: Assistant) -> None:
        self._tell = tell
        self._assistant = assistant

    def __call__(self, event: Event) -> None:
        self._tell(event)
        self._assistant.observe(event)

    def all(self, events: Iterable[Event]) -> None:
        told = tuple(events)
        self._tell.all(told)
        for event in told:
            self._assistant.observe(event)
