"""What a workload is restarted and followed for: the managed Secrets that it asked about, and how current its pods are.

How adoption is judged. A container reads its environment, a file mounted by subPath and its image when it starts:
its pods must have begun after the data changed. Files of a plain volume are replaced by the kubelet while the
container runs: they are current a while after the change (KUBELET_SYNC), whatever the application makes of that.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from events.references import SecretRef, Version
from functions._data_since import marked_at
from functions._marks import DATA_SINCE
from functions._opting import asks, named, wanted_uses
from functions._ports import Ports, SecretHead
from functions._workloads import Pod, Rollout, Use, Workload

# Timestamps of pods are whole seconds, cut off, of another machine's clock: what is nearer counts as older.
CLOCKS_APART = timedelta(seconds=2)
KUBELET_SYNC = timedelta(seconds=150)  # its syncFrequency of a minute, its cache of a minute, and some more


@dataclass(frozen=True, slots=True)
class Consumed:
    """A managed Secret of a workload: the versions it carries, and since when its data is what it is."""

    ref: SecretRef
    stamp: Mapping[str, Version]
    mark: str  # "" where the data is as old as anybody knows
    uses: frozenset[Use]

    @property
    def since(self) -> datetime | None:
        return marked_at(self.mark)


class Heads:
    """Secrets' metadata, each asked for once in a delivery."""

    def __init__(self, ports: Ports) -> None:
        self._targets = ports.targets
        self._known: dict[SecretRef, SecretHead | None] = {}

    def head(self, ref: SecretRef) -> SecretHead | None:
        if ref not in self._known:
            self._known[ref] = self._targets.head(ref)
        return self._known[ref]


def consumed(workload: Workload, heads: Heads, ports: Ports) -> tuple[Consumed, ...]:
    """The managed Secrets that the workload asked to be restarted for, ordered by name."""
    if not asks(workload, ports.settings):
        return ()
    found = []
    for name in sorted({*workload.uses, *named(workload, ports.settings)}):
        ref = _reference(workload.ref.namespace, name)
        head = heads.head(ref) if ref else None
        if head is None or not head.owner or not head.stamp:
            continue
        uses = wanted_uses(workload, name, head.annotations, ports.settings)
        if uses:
            found.append(Consumed(head.ref, head.stamp, head.annotations.get(DATA_SINCE, ""), uses))
    return tuple(found)


def _reference(namespace: str, name: str) -> SecretRef | None:
    try:
        return SecretRef(namespace=namespace, name=name)
    except ValidationError:
        return None  # no Secret can have this name, whatever an annotation or an optional reference says


def marks_of(secrets: Iterable[Consumed]) -> dict[str, str]:
    """Which change of each Secret's data is current; those that never changed are left out."""
    return {one.ref.name: one.mark for one in secrets if one.mark}


def stamps_of(secrets: Iterable[Consumed]) -> dict[str, dict[str, Version]]:
    return {one.ref.name: dict(one.stamp) for one in secrets}


def digest_of(marks: Mapping[str, str]) -> str:
    """What a restart for these changes is known by; "" for none."""
    said = "\n".join(f"{name} {mark}" for name, mark in sorted(marks.items()))
    return hashlib.sha256(said.encode()).hexdigest()[:32] if marks else ""


def covers(record: Rollout | None, workload: Workload, marks: Mapping[str, str]) -> bool:
    """Whether the record is about this very workload and all of these changes.

    A Secret that went since needs no restart: without it, the pods might not even start.
    """
    return record is not None and record.uid == workload.uid and marks.items() <= record.marks.items()


def stale(secrets: Iterable[Consumed], pods: Iterable[Pod], digest: str) -> tuple[Pod, ...]:
    """The pods of which some container began before the data that it uses changed.

    One that carries the digest of these changes was made for them, whatever the clocks say.
    """
    newest = max((one.since for one in secrets if one.since is not None), default=None)
    if newest is None:
        return ()
    old = (pod for pod in pods if pod.restarted_for != digest)
    return tuple(pod for pod in old if pod.began is not None and pod.began < newest + CLOCKS_APART)
