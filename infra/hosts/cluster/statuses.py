"""The newest status of each manifest: what the watch told, and what we wrote or noted since, which it tells later."""

import contextlib
import threading
from collections import defaultdict
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from events.references import ManifestRef
from functions._failures import Conflict, Retry
from infra.hosts.cluster.noted import Change, Known, Noted, folded
from infra.kubernetes.api import Api, Patch
from infra.kubernetes.refusals import Absent
from infra.kubernetes.resources import CLUSTER_EXTERNAL_SECRETS, EXTERNAL_SECRETS, PUSH_SECRETS, ROTATIONS
from infra.wiring.cluster import ClusterWiring

_RESOURCES = {
    "PushSecret": PUSH_SECRETS,
    "ExternalSecret": EXTERNAL_SECRETS,
    "ClusterExternalSecret": CLUSTER_EXTERNAL_SECRETS,
    "Rotation": ROTATIONS,
}
_ATTEMPTS = 5


class GoneError(Retry):
    """There is no such object any more."""


class Written:
    """What this process wrote, whichever of its identities did, what it is about to write, and whose turn it is."""

    def __init__(self) -> None:
        self.noted = Noted()
        self._newest: dict[ManifestRef, Known] = {}
        self._turns: defaultdict[ManifestRef, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def newest(self, ref: ManifestRef, seen: Known) -> Known:
        """What was written since the watch saw `seen`, or just that."""
        with self._guard:
            ours = self._newest.get(ref)
            if ours is None or ours.uid != seen.uid or not _newer(ours.version, seen.version):
                self._newest.pop(ref, None)
                return seen
            return ours

    def note(self, ref: ManifestRef, known: Known) -> None:
        with self._guard:
            self._newest[ref] = known

    def turn(self, ref: ManifestRef) -> AbstractContextManager[bool]:
        """Of one process two patches at once would only cost each other a conflict."""
        with self._guard:
            return self._turns[ref]


class Statuses:
    """Reads and patches the status of PushSecrets, ExternalSecrets and Rotations.

    Each patch is against the version that it was made of.

    One for each identity that writes; those of one process share what was `written`. `fresh`: ask the API server at
    every read, as where another process writes what is read here; otherwise the watch is believed, and `written`.
    """

    def __init__(self, wiring: ClusterWiring, api: Api, *, written: Written | None = None, fresh: bool = False) -> None:
        self._wiring = wiring
        self._api = api
        self._fresh = fresh
        self._written = written or Written()

    def read(self, ref: ManifestRef) -> Known | None:
        """None for an object that is not there: a file's manifest, or one that a ClusterExternalSecret stands for."""
        found = self._found(ref)
        return None if found is None else self._written.noted.applied(ref, found)

    def change(self, ref: ManifestRef, change: Change) -> None:
        """Patch the status as `change` says, after what is noted; from the newest again where somebody was faster.

        Raises Retry.
        """
        with self._written.turn(ref):
            self._change(ref, change)

    def note(self, ref: ManifestRef, subject: Hashable, change: Change) -> bool:
        """Have it read from now on as `change` says, and written with the next `change` or `settle`.

        What was noted about the same subject makes way. False where nothing is to be written. Raises Retry.
        """
        known = self._found(ref)
        if known is None:
            raise _gone(ref)
        return self._written.noted.add(ref, subject, change, known)

    def settle(self, ref: ManifestRef) -> None:
        """Write what was noted, if it is still there. Raises Retry where it changes too fast, and as Api does."""
        with self._written.turn(ref), contextlib.suppress(GoneError):
            if self._written.noted.of(ref):
                self._change(ref, _nothing)

    def _change(self, ref: ManifestRef, change: Change) -> None:
        known = self._found(ref)
        for _ in range(_ATTEMPTS):
            noted = self._written.noted.of(ref)
            if known is None:
                self._written.noted.done(ref, noted)
                raise _gone(ref)
            patch = folded(known, (*noted, change))
            try:
                if patch is not None:
                    self._write(ref, known, patch)
            except Conflict:
                known = self._asked(ref)
            except Absent:
                known = None
            else:
                self._written.noted.done(ref, noted)
                return
        raise Retry(f"the status of {ref} changes faster than it can be compared and set")

    def _found(self, ref: ManifestRef) -> Known | None:
        if self._fresh:
            return self._asked(ref)
        held = self._wiring.held(ref)
        if held is None:
            return None
        return self._written.newest(ref, Known(held.uid, held.version, held.generation, held.status))

    def _write(self, ref: ManifestRef, known: Known, patch: Mapping[str, Any]) -> None:
        body = {"metadata": {"uid": known.uid, "resourceVersion": known.version}, "status": patch}
        answer = self._api.patch(
            _RESOURCES[ref.kind], ref.name, body, ref.namespace, strategy=Patch.MERGE, subresource="status"
        )
        self._written.note(ref, _known(answer))

    def _asked(self, ref: ManifestRef) -> Known | None:
        found = self._api.get(_RESOURCES[ref.kind], ref.name, ref.namespace)
        return None if found is None else _known(found)


def _nothing(_: Known) -> None:
    """No change but what is noted."""


def _gone(ref: ManifestRef) -> GoneError:
    return GoneError(f"{ref} is not in the cluster any more; looking again")


def _known(found: Mapping[str, Any]) -> Known:
    metadata = found["metadata"]
    return Known(
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        status=found.get("status") or {},
    )


def _newer(version: str, other: str) -> bool:
    return version.isdecimal() and other.isdecimal() and int(version) > int(other)
