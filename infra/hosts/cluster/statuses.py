"""The newest status of each manifest: what the watch told, and what we wrote since, which it tells later."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from events.references import ManifestRef
from functions._failures import Conflict, Retry
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


@dataclass(frozen=True, slots=True)
class Known:
    """One object's status, at one resourceVersion."""

    uid: str
    version: str
    generation: int
    status: Mapping[str, Any]


# What a patch of the status makes of what is known; None: nothing is to be written.
Change = Callable[[Known], Mapping[str, Any] | None]


class Written:
    """What this process wrote, whichever of its identities did, and whose turn it is to write."""

    def __init__(self) -> None:
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
        if self._fresh:
            return self._asked(ref)
        held = self._wiring.held(ref)
        if held is None:
            return None
        return self._written.newest(ref, Known(held.uid, held.version, held.generation, held.status))

    def change(self, ref: ManifestRef, change: Change) -> None:
        """Patch the status as `change` says; from the newest again where somebody was faster. Raises Retry."""
        with self._written.turn(ref):
            known = self.read(ref)
            for _ in range(_ATTEMPTS):
                if known is None:
                    raise Retry(f"{ref} is not in the cluster any more; looking again")
                patch = change(known)
                if patch is None:
                    return
                try:
                    self._write(ref, known, patch)
                except Conflict:
                    known = self._asked(ref)
                except Absent:
                    known = None
                else:
                    return
        raise Retry(f"the status of {ref} changes faster than it can be compared and set")

    def _write(self, ref: ManifestRef, known: Known, patch: Mapping[str, Any]) -> None:
        body = {"metadata": {"uid": known.uid, "resourceVersion": known.version}, "status": patch}
        answer = self._api.patch(
            _RESOURCES[ref.kind], ref.name, body, ref.namespace, strategy=Patch.MERGE, subresource="status"
        )
        self._written.note(ref, _known(answer))

    def _asked(self, ref: ManifestRef) -> Known | None:
        found = self._api.get(_RESOURCES[ref.kind], ref.name, ref.namespace)
        return None if found is None else _known(found)


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
