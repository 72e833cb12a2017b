"""A cluster as one step alone works on it: in its own ServiceAccount, which may do what the step declares.

Nothing is followed but manifests, namespaces and our two ConfigMaps (infra/deploy/rbac.py grants no step more): Secrets
and workloads are asked for by name when an event names them.
"""

from contextlib import ExitStack

from functions._capability import Capability
from functions._step import Step
from functions._workloads import Workloads
from infra.hosts.cluster.adapters import ClusterAdapters
from infra.hosts.cluster.caught_up import caught_up
from infra.hosts.cluster.pump import Pump
from infra.hosts.ground import Ground, Wanted
from infra.hosts.wiring import Shared, step_settings
from infra.kubernetes.settings import ClusterSettings
from infra.stores.directory.workloads import NoWorkloads

_COMPARING = frozenset({Capability.TARGET_METADATA, Capability.AUTHORITY_METADATA})
_TARGETS = frozenset({Capability.TARGET_WRITE, Capability.TARGET_DELETE})


def shown(step: Step) -> frozenset[str]:
    """The kinds whose status a step may write: as rbac.py grants it, and held to that by a test."""
    kinds = {"PushSecret"} if Capability.PUBLICATION_WRITE in step.needs else set()
    if step.needs & _TARGETS or step.needs >= _COMPARING:
        kinds.add("ExternalSecret")
    return frozenset(kinds)


def cluster_ground(stack: ExitStack, wanted: Wanted, settings: ClusterSettings) -> Ground:
    """The cluster, followed until the stack is closed. Raises InvalidSettings."""
    step, configuration = wanted.step, wanted.configuration
    adapters = _Followed(settings, wanted)
    stack.callback(adapters.close)
    adapters.begin()
    shared = Shared(
        sources=adapters.sources,
        targets=adapters.targets,
        publications=adapters.publications,
        wiring=adapters.wiring,
        access=adapters.access,
        suspensions=adapters.suspensions,
        settings=step_settings(configuration),
        configuration=configuration,
        notice=wanted.notice,
        workloads=_workloads(adapters, step),
    )
    return Ground(
        caught_up(step, adapters.wiring), shared, adapters.gate.reason, adapters.outcomes.observe,
        adapters.outcomes.refused,
    )  # fmt: skip


def _workloads(adapters: ClusterAdapters, step: Step) -> Workloads:
    if Capability.WORKLOAD_READ not in step.needs:
        return NoWorkloads()
    from infra.stores.kubernetes.workloads import KubernetesWorkloads  # here: two steps of six use it

    return KubernetesWorkloads(adapters.api)


class _Followed(ClusterAdapters):
    """Adapters whose wiring makes a new snapshot by itself whenever it is told of a change."""

    def __init__(self, settings: ClusterSettings, wanted: Wanted) -> None:
        self._pump = Pump(self._again, "wiring", notice=wanted.notice)
        super().__init__(
            settings, wanted.configuration, wanted.servers, wanted.notice, alone=True, shown=shown(wanted.step)
        )

    def begin(self) -> None:
        super().begin()
        self._stopping.append(self._pump.stop)
        self._pump.start()

    def _ring(self) -> None:
        self._pump.ring()

    def _again(self) -> None:
        self.wiring.reload()
        self.status.tell_problems()
