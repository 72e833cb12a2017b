"""Which paths are retiring in a cluster, where a PushSecret takes the record of what it published along."""

from events.event import Event
from events.references import PathRef
from events.secret import SecretRetracted
from functions._failures import StepFailure
from infra.hosts.local.manifests import ManifestMemory
from infra.hosts.local.retiring import RetiringPaths
from infra.wiring.index import Index

_OVER = ("withdrawn", "retracted", "kept")


class LeavingPaths:
    """Is asked with every wiring that the steps' permissions are about to be bound to, the first of a process as well,
    and sees every retraction that a step tells of."""

    def __init__(self, known: ManifestMemory, retiring: RetiringPaths) -> None:
        self._known = known
        self._retiring = retiring
        self._wired: frozenset[PathRef] | None = None

    def of(self, index: Index) -> tuple[PathRef, ...]:
        """The paths that are retiring under this wiring, remembered before anybody is refused one.

        Raises Unavailable where the local database cannot be read or written now.
        """
        now = frozenset(path for push in index.pushes() for path in push.entries)
        self._retiring.rewired(self._before() - now, now & frozenset(self._retiring.all()))
        self._wired = now
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
