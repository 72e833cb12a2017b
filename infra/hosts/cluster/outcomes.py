"""What steps said and how they failed, as conditions of the manifests that it concerns."""

from collections.abc import Iterable

from events.claim import ClaimRequested
from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, SecretRef
from events.rotation import AbortRequested, PhaseRequested, RotationRequested
from events.secret import SecretChanged, SecretConflicted, SecretMaterialized, SecretPublished, SecretRetracted
from events.wiring import WiringChanged
from infra.hosts.cluster.conditions import DELETED, SYNCED, Condition, failed, overwritten
from infra.hosts.cluster.rotated import KIND, told
from infra.hosts.cluster.status import StatusWriter
from infra.wiring.cluster import ClusterWiring


class Outcomes:
    """Tells the status writer. Neither raises nor waits; a PushSecret's success is written with its publication."""

    def __init__(self, wiring: ClusterWiring, status: StatusWriter) -> None:
        self._wiring = wiring
        self._status = status

    def observe(self, event: Event) -> None:
        """A step said this."""
        if isinstance(event, SecretMaterialized):
            self._status.tell(event.consumer, SYNCED, event.secret.name)
        elif isinstance(event, SecretConflicted):
            if (condition := _conflicted(event)) is not None:
                self._status.tell(event.claimant, condition)
        elif (rotated := told(event)) is not None:
            manifest, condition, fields = rotated
            self._status.tell(manifest, condition, fields=fields)
        elif isinstance(event, SecretRetracted) and event.outcome == "retracted" and _made(event):
            self._status.tell(event.manifest, DELETED)

    def refused(self, step: str, event: Event, reason: str) -> None:
        """A step rejected this event (Reject, status 422): it will not clear by itself."""
        for ref in self._concerned(step, event):
            self._status.tell(ref, failed(ref.kind, reason))

    def _concerned(self, step: str, event: Event) -> Iterable[ManifestRef]:
        if isinstance(event, MaterializeRequested):
            return (event.consumer,)
        if isinstance(event, ClaimRequested):
            return (event.claimant,)
        if isinstance(event, RotationRequested | PhaseRequested | AbortRequested):
            return [rotation.ref for rotation in self._wiring.snapshot().rotations_of_path(event.path)]
        if isinstance(event, WiringChanged):
            kind = {"publish": "PushSecret", "materialize": "ExternalSecret"}.get(step)
            return (event.manifest,) if event.manifest.kind == kind else ()
        if isinstance(event, PublishRequested):
            return [push.ref for push in self._wiring.producers_of_path(event.path)]
        if isinstance(event, SecretPublished) and step == "materialize":
            return [external.ref for external in self._wiring.consumers_of_path(event.path)]
        if isinstance(event, SecretChanged) and step == "publish":
            return [push.ref for push in self._wiring.producers_of_source(event.secret, {})]
        return ()


def _conflicted(event: SecretConflicted) -> Condition | None:
    """None for what `publish` undoes as soon as it hears of it: told late, it would stand over the success."""
    if event.outcome != "foreign-write":
        return failed(event.claimant.kind, event.explanation)
    return overwritten(event.explanation) if event.claimant.kind == KIND else None


def _made(event: SecretRetracted) -> bool:
    """Whether what was retracted is a Secret that an ExternalSecret made."""
    return isinstance(event.target, SecretRef) and event.manifest.kind == "ExternalSecret"
