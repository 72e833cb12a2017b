"""`Workloads` over the API server: Deployments, StatefulSets, DaemonSets and their pods.

Reading is one GET, the pods are one LIST, a restart is one PATCH of the pod template's annotation with the uid and
resource version that were read. Whose Secrets are used is found in lists of a namespace, which are kept for a while.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from events.consumer import WorkloadRef
from functions._failures import Conflict
from functions._marks import RESTARTED_FOR
from functions._workloads import Pod, Workload
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import Absent
from infra.kubernetes.resources import PODS, Object
from infra.stores.kubernetes.workload_objects import KINDS, pod_of, selector_of, workload_of

_KEPT = 30.0  # seconds that a namespace's list is good for finding
_REMEMBERED = 1024  # workloads whose selector is kept between reading them and asking for their pods

Selector = tuple[str, str]  # the uid that it belongs to, and its text
Finder = Callable[[str], tuple[Workload, ...] | None]


def _unknown(namespace: str) -> None:
    """The finder that knows of no namespace."""


class KubernetesWorkloads:
    """The workloads of one cluster in one identity. Thread-safe.

    `find` gives the workloads of a namespace from a watch (infra.stores.kubernetes.workload_index), None where it
    does not know them; they are listed then. Raises as Api does.
    """

    def __init__(
        self, api: Api, find: Finder = _unknown, *, kept: float = _KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._find = find
        self._kept = kept
        self._clock = clock
        self._lists: dict[str, tuple[float, tuple[Workload, ...]]] = {}
        self._selectors: OrderedDict[WorkloadRef, Selector] = OrderedDict()
        self._guard = threading.Lock()

    def list(self, namespace: str) -> tuple[Workload, ...]:
        known = self._find(namespace)
        if known is not None:
            return known
        with self._guard:
            until, listed = self._lists.get(namespace, (0.0, ()))
        if self._clock() < until:
            return listed
        listed = self._listed(namespace)
        with self._guard:
            self._lists[namespace] = (self._clock() + self._kept, listed)
        return listed

    def read(self, ref: WorkloadRef) -> Workload | None:
        found = self._api.get(KINDS[ref.kind], ref.name, ref.namespace)
        workload = workload_of(ref.kind, found) if found is not None else None
        if found is not None and workload is not None:
            self._remember(ref, (workload.uid, selector_of(found)))
        return workload

    def pods(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        with self._guard:
            selector = self._selectors.get(ref)
        if selector is None:
            if self.read(ref) is None:
                return ()
            with self._guard:
                selector = self._selectors[ref]
        uid, labels = selector
        found, _ = self._api.reduced(PODS, lambda pod: pod_of(ref, uid, pod), ref.namespace, labels=labels)
        return tuple(sorted((pod for pod in found if pod is not None), key=lambda pod: pod.name))

    def restart(self, ref: WorkloadRef, digest: str, expected: str) -> None:
        uid, _, version = expected.partition("/")
        body = {
            "metadata": {"uid": uid, "resourceVersion": version},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR: digest}}}},
        }
        try:
            self._api.patch(KINDS[ref.kind], ref.name, body, ref.namespace, metadata_only=True)
        except Absent:
            raise Conflict(f"{ref} is gone") from None

    def _listed(self, namespace: str) -> tuple[Workload, ...]:
        found: list[Workload] = []
        for kind, resource in KINDS.items():
            made, _ = self._api.reduced(resource, _maker(kind), namespace)
            found += sorted((one for one in made if one is not None), key=lambda one: one.ref.name)
        return tuple(found)

    def _remember(self, ref: WorkloadRef, selector: Selector) -> None:
        with self._guard:
            self._selectors[ref] = selector
            self._selectors.move_to_end(ref)
            while len(self._selectors) > _REMEMBERED:
                self._selectors.popitem(last=False)


def _maker(kind: str) -> Callable[[Object], Workload | None]:
    return lambda found: workload_of(kind, found)
