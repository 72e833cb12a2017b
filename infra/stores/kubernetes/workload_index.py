"""The workloads that a watch tells of: who uses what is found without asking, and what moves is told at once."""

import threading
from collections.abc import Callable, Sequence

from events.consumer import WorkloadChanged
from functions._opting import asks
from functions._ports import Settings
from functions._workloads import Workload
from infra.kubernetes.api import Api
from infra.kubernetes.informing import ApiFeed, Informer, Notice
from infra.kubernetes.mirror import Difference, Key
from infra.kubernetes.resources import Object
from infra.stores.kubernetes.workload_objects import KINDS, workload_of

Tell = Callable[[Sequence[WorkloadChanged]], None]


class WorkloadIndex:
    """The workloads of a namespace, or of all, in one identity; three watches, each in a thread of its own.

    `tell` is given hints about the workloads that ask to be restarted, from those threads, and again until it takes
    them. `find` is what KubernetesWorkloads looks things up in.
    """

    def __init__(
        self, api: Api, settings: Settings, tell: Tell, *, namespace: str | None = None, notice: Notice = lambda _: None
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._namespace = namespace
        self._guard = threading.Lock()
        self._held: dict[str, dict[tuple[str, Key], Workload]] = {}
        self._complete: set[str] = set()
        self._informers = [
            Informer(
                ApiFeed(api, resource, namespace), _keeper(kind), self._taker(kind),
                name=f"workloads-{resource.plural}", notice=notice,
            )
            for kind, resource in KINDS.items()
        ]  # fmt: skip

    def start(self) -> None:
        for informer in self._informers:
            informer.start()

    def stop(self) -> None:
        for informer in self._informers:
            informer.stop()

    def alive(self) -> bool:
        return all(informer.alive() for informer in self._informers)

    def find(self, namespace: str) -> tuple[Workload, ...] | None:
        """The namespace's workloads, ordered by kind and name; None while not everything is known."""
        if self._namespace not in (None, namespace):
            return None
        with self._guard:
            if self._complete != set(KINDS):
                return None
            held = self._held.get(namespace, {})
            return tuple(held[key] for key in sorted(held))

    def _taker(self, kind: str) -> Callable[[tuple[Difference[Workload], ...]], None]:
        def take(differences: tuple[Difference[Workload], ...]) -> None:
            with self._guard:
                for one in differences:
                    self._set(kind, one)
                self._complete.add(kind)
            hints = [hint for one in differences if (hint := self._hint(one)) is not None]
            if hints:
                self._tell(hints)

        return take

    def _set(self, kind: str, one: Difference[Workload]) -> None:
        held = self._held.setdefault(one.key[0], {})
        if one.after is None:
            held.pop((kind, one.key), None)
        else:
            held[kind, one.key] = one.after

    def _hint(self, one: Difference[Workload]) -> WorkloadChanged | None:
        """Also about one that asks no longer, or is gone: who follows it is to stop."""
        asking = [each for each in (one.after, one.before) if each is not None and asks(each, self._settings)]
        return WorkloadChanged(workload=asking[0].ref, seen=asking[0].state[-256:]) if asking else None


def _keeper(kind: str) -> Callable[[Object], Workload | None]:
    return lambda found: workload_of(kind, found)
