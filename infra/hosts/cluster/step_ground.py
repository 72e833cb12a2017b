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
from infra.hosts.cluster.refreshing import refreshing
from infra.hosts.cluster.status import TARGET
from infra.hosts.ground import Ground, Wanted
from infra.hosts.wiring import Shared, step_settings
from infra.kubernetes.settings import ClusterSettings
from infra.stores.directory.workloads import NoWorkloads

_COMPARING = frozenset({Capability.TARGET_METADATA, Capability.AUTHORITY_METADATA})
# A step that only orders what others look at again may go by what the watch told of the PushSecrets a moment ago.
_WRITING = frozenset(
    {
        Capability.TARGET_WRITE, Capability.TARGET_DELETE, Capability.AUTHORITY_WRITE, Capability.AUTHORITY_DELETE,
        Capability.PUBLICATION_WRITE,
    }
)  # fmt: skip
_TARGETS = frozenset({Capability.TARGET_WRITE, Capability.TARGET_DELETE})


def shown(step: Step) -> frozenset[str]:
    """The kinds whose status a step may write: as rbac.py grants it, and held to that by a test."""
    rotates = Capability.ROTATION_WRITE in step.needs  # whose publications stand in Rotations
    kinds = {"PushSecret"} if Capability.PUBLICATION_WRITE in step.needs and not rotates else set()
    if step.needs & _TARGETS or step.needs >= _COMPARING:
        kinds.add("ExternalSecret")
    if rotates:
        kinds.add("Rotation")
    if Capability.SYSTEM_APPLY in step.needs:
        kinds.add(TARGET)
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
        declared=adapters.declared.named,
    )
    prepared = refreshing(caught_up(step, adapters.wiring), adapters.status)
    return Ground(prepared, shared, adapters.gate.reason, adapters.outcomes.observe, adapters.outcomes.refused)


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
            settings, wanted.configuration, wanted.servers, wanted.notice, alone=bool(wanted.step.needs & _WRITING),
            lists=False, shown=shown(wanted.step),
        )  # fmt: skip

    def begin(self) -> None:
        super().begin()
        self._stopping.append(self._pump.stop)
        self._pump.start()

    def _ring(self) -> None:
        self._pump.ring()

    def _again(self) -> None:
        self.wiring.reload()
        self.status.tell_problems()
