"""`Publications` in the manifests' own status: confirming a version is one call, which also shows it to people.

A PushSecret tells of the paths that it writes, a Rotation of the one that it rotates.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from events.references import ManifestRef, PathRef
from functions._failures import Retry
from functions._manifests.push_secret import PushSecret
from functions._ports import Publication
from infra.hosts.cluster.conditions import PUSHED, rfc3339
from infra.hosts.cluster.noted import Known
from infra.hosts.cluster.rotated import KIND as ROTATION
from infra.hosts.cluster.rotated import rotation_forgotten, rotation_publications, rotation_recorded
from infra.hosts.cluster.statuses import Statuses
from infra.hosts.cluster.synced import forgotten, publications, recorded
from infra.wiring.cluster import ClusterWiring


class Settling(Protocol):
    """Who writes what is noted of statuses (StatusWriter)."""

    def able(self) -> bool: ...

    def settle_soon(self, ref: ManifestRef) -> None: ...


class ClusterPublications:
    """Implements the port `Publications`. PushSecrets whose store another controller serves have none.

    `settling`: all that reads what is confirmed here runs in this process, so that what a PushSecret confirms counts at
    once and is written in a moment, beside what the change still needs. Where the process dies before, the version is
    one that nobody confirmed: the source is in another state than the one confirmed last, which is news to the next
    start, and confirmed then. A rotated path has no source to compare it with: it is written before it counts. So is
    everything while writing fails, so that whoever confirms hears why, or lags behind, so that it never does for long.
    """

    def __init__(
        self, wiring: ClusterWiring, statuses: Statuses, now: Callable[[], datetime] = lambda: datetime.now(UTC), *,
        settling: Settling | None = None, noticed: Callable[[Mapping[str, str]], object] = lambda _: None,
    ) -> None:  # fmt: skip
        """`noticed` hears the sources of each publication that is read by its path."""
        self._wiring = wiring
        self._statuses = statuses
        self._now = now
        self._settling = settling
        self._noticed = noticed
        self._left: tuple[object, dict[PathRef, tuple[ManifestRef, ...]]] = (None, {})

    def read(self, path: PathRef) -> Publication | None:
        found = [one for ref in self._holders(path) for one in self._of(ref) if one.path == path]
        for one in found:
            self._noticed(one.sources)
        return max(found, key=lambda one: one.version.number, default=None)

    def record(self, publication: Publication) -> None:
        """One patch of the manifest's status, with a PushSecret's condition; none where all of it is there already.

        A Rotation that is gone confirms nothing any more: what it wrote live is the authority's own then. Raises Retry
        where a PushSecret is gone, or the wiring cannot tell.
        """
        if publication.manifest.kind == ROTATION:
            if self._wiring.rotation(publication.manifest) is not None:
                self._statuses.change(publication.manifest, lambda known: _rotated(known, publication))
            elif not self._wiring.complete():
                raise Retry(f"{publication.manifest} cannot be found while the wiring cannot be read as a whole")
            return
        push = self._wiring.push_secret(publication.manifest)
        if push is None:
            raise Retry(f"{publication.manifest} is not wired any more; looking again")

        def confirmed(known: Known) -> Mapping[str, Any] | None:
            return self._confirmed(known, push, publication)

        if self._settling is None or not self._settling.able():
            self._statuses.change(push.ref, confirmed)
        elif self._statuses.note(push.ref, publication.path, confirmed):
            self._settling.settle_soon(push.ref)

    def forget(self, path: PathRef) -> None:
        def without(known: Known) -> Mapping[str, Any] | None:
            synced = forgotten(known.status, path, self._wiring.mount)
            return {"syncedPushSecrets": synced} if synced else None

        for ref in self._holders(path):
            if self._statuses.read(ref) is None:
                continue
            if ref.kind == ROTATION:
                self._statuses.change(ref, lambda known: rotation_forgotten(known.status, path))
            else:
                self._statuses.change(ref, without)

    def all(self) -> Iterator[Publication]:
        """Every confirmed version, ordered by path."""
        manifests = (*self._wiring.push_secrets(), *self._wiring.rotations())
        found = [one for each in manifests if self._ours(each.ref) for one in self._of(each.ref)]
        yield from sorted(found, key=lambda one: str(one.path))

    def _confirmed(self, known: Known, push: PushSecret, publication: Publication) -> Mapping[str, Any] | None:
        if not self._ours(push.ref):
            return None  # another controller serves its store since: the status is that one's
        mount_of = self._wiring.mount
        before = next(
            (one for one in publications(known.status, push.ref, mount_of) if one.path == publication.path), None
        )
        if before is not None and before.version.number > publication.version.number:
            return None
        if before == publication and PUSHED.shown_in(known.status):
            return None
        now = self._now()
        return {
            "refreshTime": rfc3339(now),
            "syncedResourceVersion": f"{known.generation}-{push.generation}",
            "syncedPushSecrets": recorded(known.status, push, publication, mount_of),
            "conditions": PUSHED.document(known.status, now),
        }

    def _of(self, ref: ManifestRef) -> Iterator[Publication]:
        known = self._statuses.read(ref)
        if known is not None:
            yield from self._in(known.status, ref)

    def _in(self, status: Mapping[str, Any], ref: ManifestRef) -> Iterator[Publication]:
        if ref.kind == ROTATION:
            return rotation_publications(status, ref)
        return publications(status, ref, self._wiring.mount)

    def _ours(self, ref: ManifestRef) -> bool:
        return self._wiring.mode(ref) == "own"

    def _holders(self, path: PathRef) -> list[ManifestRef]:
        """The manifests whose status may tell of a path: its origins, and who published it before."""
        refs = [push.ref for push in self._wiring.producers_of_path(path)]
        refs += [rotation.ref for rotation in self._wiring.snapshot().rotations_of_path(path)]
        return [ref for ref in dict.fromkeys((*refs, *self._former().get(path, ()))) if self._ours(ref)]

    def _former(self) -> dict[PathRef, tuple[ManifestRef, ...]]:
        """Paths that a manifest's status names and its spec does not; looked up anew when the wiring changes."""
        index = self._wiring.snapshot()
        if self._left[0] is not index:
            left: dict[PathRef, tuple[ManifestRef, ...]] = {}
            for each in index.pushes():
                for one in self._of_seen(each.push.ref):
                    if one.path not in each.entries:
                        left[one.path] = (*left.get(one.path, ()), one.manifest)
            for rotated in index.rotated():
                for one in self._of_seen(rotated.rotation.ref):
                    if one.path != rotated.path:
                        left[one.path] = (*left.get(one.path, ()), one.manifest)
            self._left = (index, left)
        return self._left[1]

    def _of_seen(self, ref: ManifestRef) -> Iterator[Publication]:
        held = self._wiring.held(ref)
        if held is not None:
            yield from self._in(held.status, ref)


def _rotated(known: Known, publication: Publication) -> Mapping[str, Any] | None:
    before = next(
        (one for one in rotation_publications(known.status, publication.manifest) if one.path == publication.path), None
    )
    if before is not None and (before.version.number > publication.version.number or before == publication):
        return None
    return rotation_recorded(publication)
