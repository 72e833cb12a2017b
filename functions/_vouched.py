"""Which version of a path may be distributed, read once for all consumers of one event.

A producer's path is distributed at the version that its origin confirmed (`Publications`). A newer one was
written by somebody else, or is about to be confirmed and will then bring its own event. A path without producer
is the authority's own: its newest version counts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from events.references import PathRef, Version
from functions._failures import Retry
from functions._ports import Ports, StoredSecret


def awaited(path: PathRef, ports: Ports) -> bool:
    """Whether a producer of ours is to confirm what the path holds; one that another controller serves never does."""
    wiring = ports.wiring
    return any(wiring.mode(push.ref) == "own" for push in wiring.producers_of_path(path))


class VouchedReads:
    """Reads of one event's handling, each path at most once in each version."""

    def __init__(self, ports: Ports, lower_bounds: dict[PathRef, Version]) -> None:
        self._ports = ports
        self._bounds = lower_bounds
        self._asked: dict[PathRef, Callable[[], StoredSecret | None]] = {}
        self._settled: dict[PathRef, StoredSecret | None] = {}
        self._pinned: dict[tuple[PathRef, str], StoredSecret | None] = {}
        self._listed: dict[tuple[str, str], tuple[PathRef, ...]] = {}

    @contextmanager
    def asking(self, path: PathRef) -> Iterator[None]:
        """Ask the authority for a path now; `newest`, called within the block, waits for its answer."""
        with self._ports.authority.reading(path) as found:
            self._asked[path] = found
            yield

    def newest(self, path: PathRef) -> StoredSecret | None:
        """The version to distribute; None where there is none (yet). Raises Retry for a read older than the event."""
        if path not in self._settled:
            self._settled[path] = self._settle(path)
        return self._settled[path]

    def pinned(self, path: PathRef, pin: str) -> StoredSecret | None:
        """The version that a manifest pins, whoever wrote it."""
        if (path, pin) not in self._pinned:
            self._pinned[path, pin] = self._ports.authority.read_pinned(path, pin)
        return self._pinned[path, pin]

    def below(self, mount: str, prefix: str) -> tuple[PathRef, ...]:
        """The paths below a prefix."""
        if (mount, prefix) not in self._listed:
            self._listed[mount, prefix] = self._ports.authority.list(mount, prefix)
        return self._listed[mount, prefix]

    def _settle(self, path: PathRef) -> StoredSecret | None:
        asked = self._asked.pop(path, None)
        stored = self._ports.authority.read(path) if asked is None else asked()
        bound = self._bounds.get(path)
        if bound is not None and (stored is None or _older(stored.version, bound)):
            raise Retry(f"{path} was read older than version {bound}, which the event names", after=0.2)
        if stored is None:
            return None
        confirmed = self._ports.publications.read(path)
        if confirmed is None:
            return None if awaited(path, self._ports) else stored
        if stored.version == confirmed.version:
            return stored
        if _older(stored.version, confirmed.version):
            raise Retry(f"{path} was read older than version {confirmed.version}, which is confirmed", after=0.2)
        if stored.version.number < confirmed.version.number:
            return None  # the path was deleted whole and began anew: its origin has not confirmed what it holds now
        return self._ports.authority.read(path, confirmed.version)


def _older(read: Version, known: Version) -> bool:
    """Whether a read came from before `known` was written (a lower number created later is a path begun anew)."""
    return known.surely_newer_than(read)
