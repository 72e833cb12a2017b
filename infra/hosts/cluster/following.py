"""All that is followed in a cluster, put together: manifests first, then what they wire, then orders."""

from collections.abc import Callable
from dataclasses import dataclass

from events.references import SecretRef
from functions._ports import SecretHead
from infra.hosts.cluster.orders import AnnotatedOrders
from infra.hosts.cluster.pump import Pump
from infra.hosts.cluster.status import StatusWriter
from infra.hosts.cluster.wired import FIELDS_OF_SECRETS, WiredObjects, untouched
from infra.hosts.local.feeds import WiringFeed
from infra.hosts.platform import Tell, Watch
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed, Feed
from infra.kubernetes.mirror import Object
from infra.kubernetes.resources import CONFIG_MAPS, SECRETS, SERVICES
from infra.sources.kubernetes_watch import KubernetesWatch
from infra.wiring.cluster import ClusterWiring

READY_WITHIN = 30.0  # seconds
_RESOURCES = {"Secret": SECRETS, "ConfigMap": CONFIG_MAPS, "Service": SERVICES}
Notice = Callable[[str], None]


def source_feeds(api: Api) -> Callable[[str, str], Feed]:
    """What a KubernetesWatch follows, by kind and namespace: one watch each, as RBAC is by namespace."""

    def feed(kind: str, namespace: str) -> Feed:
        return ApiFeed(api, _RESOURCES[kind], namespace, fields=FIELDS_OF_SECRETS if kind == "Secret" else "")

    return feed


@dataclass(frozen=True, slots=True)
class WiringWatch:
    """The wiring's informers, as what shows watches sees them."""

    wiring: ClusterWiring

    @property
    def mode(self) -> str:
        return "watch" if self.alive() else "stopped"

    @property
    def last_error(self) -> str | None:
        return next((f"{finding.file}: {finding.message}" for finding in self.wiring.troubles()), None)

    def alive(self) -> bool:
        return self.wiring.alive()


class ClusterFollowing:
    """Tells of what changes in a cluster, from `start` to `stop`. The wiring is followed already, and rings `ring`.

    `tell` gets hints about objects. `orders` and `status` are None where nothing is ordered or shown from here.
    `head` makes of metadata what `watch.held` knows of an object.
    """

    def __init__(
        self, wiring: ClusterWiring, wiring_feed: WiringFeed, wired: WiredObjects, feeds: Callable[[str, str], Feed],
        tell: Tell, *, orders: AnnotatedOrders | None = None, status: StatusWriter | None = None,
        head: Callable[[SecretRef, Object], SecretHead] | None = None, notice: Notice = lambda _: None,
    ) -> None:  # fmt: skip
        self._wiring = wiring
        self._feed = wiring_feed
        self._orders = orders
        self._status = status
        self.watch = KubernetesWatch(feeds, wired, tell.all, ours=untouched, head=head, notice=notice)
        self.pump = Pump(self._round, "wiring feed", notice=notice)

    def ring(self) -> None:
        """The wiring, or what stops it, changed; from any thread."""
        self.pump.ring()

    def start(self) -> tuple[Watch, ...]:
        """When it returns, whatever happened before was told; but for what cannot be watched, or is not taken now."""
        self._wiring.wait_ready(READY_WITHIN)
        self.pump.ring()
        self.pump.start()
        self.pump.wait_first(READY_WITHIN)
        self.watch.start()
        self.watch.wait_ready(READY_WITHIN)
        return self.watch, WiringWatch(self._wiring), self.pump

    def stop(self, timeout: float = 10.0) -> None:
        """End the threads. Raises TimeoutError."""
        self.pump.stop(timeout)
        self.watch.stop(timeout)

    def _round(self) -> None:
        self._feed.refresh()
        self.watch.rewire()  # nothing, before it is started
        if self._orders is not None:
            self._orders.look()
        if self._status is not None:
            self._status.tell_problems()
