"""What became of each ClusterExternalSecret, namespace by namespace, as its status shows it to ESO's users.

External Secrets Operator makes an ExternalSecret object in every namespace that one selects. Here the index stands for
those objects and none is made: whoever deletes Lockstep leaves nothing behind that another controller would act on.
A namespace is provisioned once its Secret was made; where an object of that name is there already, that one counts, and
its own status tells of it.
"""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from events.references import ManifestRef
from functions._manifests.cluster_external_secret import ClusterExternalSecret
from infra.hosts.cluster.conditions import DELETED, Condition
from infra.hosts.cluster.noted import Known
from infra.wiring.cluster import ClusterWiring

KIND = ClusterExternalSecret.KIND
_LONGEST = 512  # characters of a reason
_MARK = f"{KIND} "  # how the index says whom a manifest stands for


class Gathered:
    """Remembers what was last told of each namespace. Thread-safe; it asks for nothing."""

    def __init__(self, wiring: ClusterWiring) -> None:
        self._wiring = wiring
        self._lock = threading.Lock()
        self._told: dict[ManifestRef, Condition] = {}
        self._standing: tuple[object, dict[ManifestRef, str]] = (None, {})

    def hear(self, ref: ManifestRef, condition: Condition) -> ManifestRef | None:
        """A condition of one namespace's ExternalSecret; the ClusterExternalSecret, None where it is of none."""
        name = self._stands().get(ref)
        if name is None:
            return None
        with self._lock:
            self._told[ref] = condition
        return _ref(name)

    def all(self) -> Iterator[ManifestRef]:
        """Every ClusterExternalSecret that stands for something which is ours to make."""
        names = {name for ref, name in self._stands().items() if self._wiring.mode(ref) == "own"}
        return (_ref(name) for name in sorted(names))

    def patch(self, of: ManifestRef, known: Known) -> Mapping[str, Any] | None:
        """What its status becomes; None where it says so already."""
        before = known.status.get("provisionedNamespaces")
        provisioned_before = set(before) if isinstance(before, list) else set()
        standing = [ref for ref, name in self._stands().items() if name == of.name]
        provisioned: list[str] = []
        failed: list[dict[str, str]] = []
        for ref in sorted(standing, key=lambda one: one.namespace):
            told = self._heard(ref)
            wrong = self._wiring.problem(ref) or (told.message if told is not None and not told.ready else "")
            if wrong:
                failed.append({"namespace": ref.namespace, "reason": wrong[:_LONGEST]})
            elif (told is not None and told != DELETED) or (told is None and ref.namespace in provisioned_before):
                provisioned.append(ref.namespace)
        wanted: dict[str, Any] = {
            "externalSecretName": standing[0].name if standing else known.status.get("externalSecretName"),
            "provisionedNamespaces": provisioned,
            "failedNamespaces": failed,
            "conditions": [_condition(failed, len(provisioned) == len(standing))],
        }
        return wanted if any(known.status.get(name) != value for name, value in wanted.items()) else None

    def _heard(self, ref: ManifestRef) -> Condition | None:
        with self._lock:
            return self._told.get(ref)

    def _stands(self) -> dict[ManifestRef, str]:
        """The ExternalSecrets that are no objects, and the name of what stands for each."""
        index = self._wiring.snapshot()
        with self._lock:
            if self._standing[0] is not index:
                found = {
                    one.placed.ref: one.placed.file.removeprefix(_MARK)
                    for one in index.externals()
                    if one.placed.file.startswith(_MARK)
                }
                self._standing = (index, found)
                self._told = {ref: told for ref, told in self._told.items() if ref in found}
            return self._standing[1]


def _ref(name: str) -> ManifestRef:
    return ManifestRef(kind=KIND, namespace="-", name=name)


def _condition(failed: list[dict[str, str]], whole: bool) -> dict[str, str]:
    """ESO's definition of this kind's conditions has neither reason nor time."""
    if failed:
        return {"type": "Ready", "status": "False", "message": "one or more namespaces failed"}
    return {"type": "Ready", "status": str(whole), **({} if whole else {"message": "not materialized everywhere yet"})}
