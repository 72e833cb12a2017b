"""Which paths are retiring in a cluster, where a PushSecret takes the record of what it published along."""

from collections.abc import Callable

from events.event import Event
from events.references import PathRef
from events.secret import SecretRetracted
from functions._failures import StepFailure
from infra.hosts.local.manifests import ManifestMemory
from infra.hosts.local.retiring import RetiringPaths
from infra.wiring.index import Index

_OVER = ("withdrawn", "retracted", "kept")


class LeavingPaths:
    """Sees every wiring before the steps' permissions are bound to it, and every retraction that a step tells of."""

    def __init__(self, known: ManifestMemory, retiring: RetiringPaths) -> None:
        self._known = known
        self._retiring = retiring
        self._wired: frozenset[PathRef] | None = None

    def binding(self, bind: Callable[[Index], None]) -> Callable[[Index], None]:
        """`bind`, once what the wiring no longer names is remembered."""

        def bound(index: Index) -> None:
            before = self._before()
            now = frozenset(path for push in index.pushes() for path in push.entries)
            self._retiring.rewired(before - now, now & frozenset(self._retiring.all()))
            bind(index)
            self._wired = now

        return bound

    def all(self) -> tuple[PathRef, ...]:
        """Raises Unavailable where the local database cannot be read now."""
        return self._retiring.all()

    def observe(self, event: Event) -> None:
        """A step said this. Does not raise: what is not forgotten now is when the path is wired again."""
        if isinstance(event, SecretRetracted) and event.outcome in _OVER and isinstance(event.target, PathRef):
            try:
                self._retiring.over(event.target)
            except StepFailure:
                return

    def _before(self) -> frozenset[PathRef]:
        """What was wired when it was told of last, in another process perhaps."""
        if self._wired is None:
            self._wired = frozenset(path for one in self._known.all().values() for path in one.paths)
        return self._wired
