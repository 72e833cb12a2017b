"""A cluster's adapters in one identity: what steps work through, whether one runs in this process or all of them."""

from collections import Counter
from collections.abc import Callable

from events.references import SecretRef
from infra.hosts.cluster.access import NAME as ACCESS
from infra.hosts.cluster.access import ClusterAccess
from infra.hosts.cluster.config_map import FollowedConfigMap, config_map_feed
from infra.hosts.cluster.gate import ClusterGate, impatient
from infra.hosts.cluster.outcomes import Outcomes
from infra.hosts.cluster.publications import ClusterPublications
from infra.hosts.cluster.status import STATUSES, TARGET, StatusWriter
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.suspensions import NAME as SUSPENDED
from infra.hosts.cluster.suspensions import ClusterSuspensions, SuspensionWriter
from infra.hosts.cluster.target_conditions import TargetConditions, strategies
from infra.hosts.cluster.wired import WiredObjects
from infra.hosts.configuration import Configuration
from infra.hosts.guarded_wiring import AdminGuard, StoreGuard
from infra.hosts.platform import Notice
from infra.hosts.stopping import stop_all
from infra.hosts.wiring import convention_policy, own_mounts
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed
from infra.kubernetes.resources import ROTATION_TARGETS
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.config_maps import ConfigMapSources
from infra.stores.kubernetes.kinds import SourcesOfKinds
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.stores.kubernetes.services import ServiceSources
from infra.wiring.cluster import ClusterWiring, cluster_feeds
from infra.wiring.cluster_targets import ClusterTargets

READY_WITHIN = 30.0  # seconds


class ClusterAdapters:
    """The wiring and the two ConfigMaps are followed from `begin` to `close`; Secrets are asked for when needed.

    `calls` counts requests by verb and resource. `alone`: other processes write statuses too, so each is asked for
    when it is read. `lists`: this identity may list what it reads. `shown` are the kinds whose conditions are written
    from here.
    """

    def __init__(
        self, settings: ClusterSettings, configuration: Configuration, servers: tuple[str, ...] | None, notice: Notice,
        *, alone: bool = False, lists: bool = True, shown: frozenset[str] = STATUSES,
    ) -> None:  # fmt: skip
        """Nothing is asked for yet. Raises InvalidSettings."""
        self._stopping: list[Callable[[], object]] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        self.api = api = Api(settings, self._count)
        self._asking = Api(impatient(settings), self._count)
        self.gate = ClusterGate(self._asking)
        self.declared = ClusterTargets(ApiFeed(api, ROTATION_TARGETS), changed=self._declarations, notice=notice)
        self.wiring = ClusterWiring(
            cluster_feeds(api), changed=self._ring, policy=convention_policy(configuration),
            guard=StoreGuard(servers, own_mounts(configuration)), refused=AdminGuard(self.declared.all), notice=notice,
        )  # fmt: skip
        self.access = ClusterAccess(
            config_map_feed(api, ACCESS), trusting=True, changed=self._look_again, notice=notice
        )
        self.suspensions = ClusterSuspensions(
            config_map_feed(api, SUSPENDED), self.wiring, SuspensionWriter(api),
            changed=self._ring, notice=notice,
        )  # fmt: skip
        statuses = Statuses(self.wiring, api, fresh=alone)
        self._conditions: TargetConditions | None = None
        if TARGET in shown:
            self._conditions = TargetConditions(self.declared, self.wiring, api, strategies, notice=notice)
        also = self._conditions.ring if self._conditions else _nothing
        self.status = StatusWriter(self.wiring, statuses, notice=notice, shown=shown, also=also)
        secrets = KubernetesSecrets(api, self.wiring.uid_of, lists=lists, told=self._told)
        self.publications = ClusterPublications(
            self.wiring, statuses, settling=None if alone else self.status, noticed=secrets.published
        )  # fmt: skip
        self.outcomes = Outcomes(self.wiring, self.status)
        self.wired = WiredObjects(self.wiring, self.publications)
        self.targets = secrets
        self.sources = SourcesOfKinds(
            {
                "Secret": secrets,
                "ConfigMap": ConfigMapSources(api, lists=lists),
                "Service": ServiceSources(api, lists=lists),
            },
            self.wired.kind_of,
        )

    def begin(self) -> None:
        """Follow what everything else is decided by; when it returns it is known, or why not."""
        followed: list[ClusterWiring | FollowedConfigMap | ClusterTargets] = [
            self.wiring, self.access.followed, self.suspensions.followed, self.declared
        ]  # fmt: skip
        try:
            for part in (*followed, self.status):
                part.start()
                self._stopping.append(part.stop)
            for part in followed:
                part.wait_ready(READY_WITHIN)
            self.wiring.reload()
            if self._conditions is not None:
                self._conditions.start()
                self._stopping.append(self._conditions.stop)
                self._conditions.ring()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Finish what was begun, and let go of everything. Raises a group of what went wrong."""
        try:
            stop_all(self._stopping)
        finally:
            self._asking.close()
            self.api.close()

    def _ring(self) -> None:
        """The wiring, or what stops it, changed; from any thread."""

    def _declarations(self) -> None:
        if self._conditions is not None:
            self._conditions.ring()
        self._redeclared()

    def _redeclared(self) -> None:
        """The declared systems changed; from any thread."""

    def _look_again(self) -> None:
        """What was denied may be allowed now."""

    def _told(self, ref: SecretRef) -> str:
        """The resource version of a Secret that a watch told last; "" where none follows it."""
        return ""

    def _count(self, verb: str, resource: str) -> None:
        self.calls[verb, resource] += 1


def _nothing() -> None:
    """Nothing else is shown from here."""
