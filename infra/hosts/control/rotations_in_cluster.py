"""Rotations, seen in a cluster and at the authority without the broker; orders about them are annotations.

Whoever may annotate a Rotation may order: RBAC decides, and the sources of Lockstep tell the order. What is known of a
rotation is at the authority, and is read with the caller's own rights there.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta

from events.references import ManifestRef, PathRef, Version
from functions._ports import Settings
from functions._rotation_facts import turn_of
from infra.hosts.cluster.orders import ABORT, RESUME, ROTATE
from infra.hosts.control import rotating
from infra.hosts.control.documents import Document
from infra.hosts.control.in_cluster import Question
from infra.hosts.control.request import ControlError
from infra.hosts.control.rotations import shown
from infra.hosts.views.cluster import NO_AUTHORITY, ClusterView
from infra.hosts.views.feeding import instead
from infra.hosts.views.rotations import UNKNOWN, RotationState, UnknownRotation, rotation_states, select_rotation
from infra.hosts.views.standing import Standings
from infra.kubernetes.resources import ROTATIONS

_BY = "kubernetes"  # nobody reads it: who gave the order is who the API server let annotate
_READS = "sweep"  # whose port reads records


def rotations(namespace: str | None) -> Question:
    """As the running instance lists them; of a record that cannot be read, the phase that the status shows."""

    def answer(view: ClusterView) -> Document:
        found = rotation_states(view.lookups(), view.ports(_READS).rotations)
        return {"rotations": [_shown(view, one) for one in found if namespace in (None, one.manifest.namespace)]}

    return answer


def rotation(name: str, namespace: str | None) -> Question:
    """One, as the running instance shows it."""

    def answer(view: ClusterView) -> Document:
        return _shown(view, _chosen(view, name, namespace))

    return answer


def plan(name: str, namespace: str | None, policy: str) -> Question:
    """What rotating would meet, with the caller's own rights at the authority."""

    def answer(view: ClusterView) -> Document:
        _need_authority(view, "")
        return rotating.planned(_seeing(view), _chosen(view, name, namespace), rotating.policy_of(policy), _BY)

    return answer


def rotate(name: str, namespace: str | None, policy: str, then: Callable[[Document, "Look"], Document]) -> Question:
    """Annotate the Rotation, so that it is rotated; `then` may look on until it is over."""

    def answer(view: ClusterView) -> Document:
        _need_authority(
            view, f"; or annotate the Rotation yourself: {ROTATE}={policy}@VERSION, the version that it has"
        )
        state, seeing = _chosen(view, name, namespace), _seeing(view)
        order = rotating.ordered(seeing, state, rotating.policy_of(policy), _BY)
        if order.base == seeing.newest(order.path):  # else it is joined already, and only a new leak is news
            base = order.base.number if order.base is not None else 0
            _annotate(view, state.manifest, {ROTATE: f"{order.policy}@{base}.{order.attempt}"})
        given = rotating.given(state, order, None)

        def look() -> Document:
            view.look_again()
            return _shown(view, _chosen(view, str(given["name"]), None))

        return then(given, look)

    return answer


def abort(name: str, namespace: str | None) -> Question:
    """Annotate the Rotation, so that the one under way is given up."""

    def answer(view: ClusterView) -> Document:
        _need_authority(view, f"; or annotate the Rotation yourself: {ABORT}=ID, which its status shows")
        state = _chosen(view, name, namespace)
        record, path = rotating.under_way(state)
        rotating.refuse_late(path, record.phase)
        _annotate(view, state.manifest, {ABORT: record.id})
        return {"sequence": None, "rotation": record.id, "path": str(path)}

    return answer


def resume(name: str, namespace: str | None) -> Question:
    """Annotate the Rotation, so that the one that waits is looked at again."""

    def answer(view: ClusterView) -> Document:
        _need_authority(view, f"; or annotate the Rotation yourself: {RESUME}=ID, which its status shows")
        state = _chosen(view, name, namespace)
        record, path = rotating.unfinished(state)
        _annotate(view, state.manifest, {RESUME: f"{record.id}@{uuid.uuid4().hex[:12]}"})
        return {"sequence": None, "rotation": record.id, "path": str(path), "step": turn_of(record)}

    return answer


Look = Callable[[], Document]


def _chosen(view: ClusterView, name: str, namespace: str | None) -> RotationState:
    try:
        return select_rotation(name, namespace, view.lookups(), view.ports(_READS).rotations)
    except UnknownRotation as unknown:
        raise ControlError(404, instead(name, namespace, view.lookups()) or str(unknown)) from None


def _shown(view: ClusterView, state: RotationState) -> Document:
    found = shown(state)
    held = view.wiring.held(state.manifest) if state.phase == UNKNOWN else None
    phase = held.status.get("phase") if held is not None else None
    return {**found, "phase": phase} if isinstance(phase, str) and phase else found


def _seeing(view: ClusterView) -> rotating.Seeing:
    def newest(path: PathRef) -> Version | None:
        confirmed = view.publications.read(path)  # what the annotation is held against, too
        return confirmed.version if confirmed is not None else None

    return rotating.Seeing(
        wiring=view.wiring, ports=view.ports, newest=newest, standings=Standings(view.ports("adopted")),
        lifetime=timedelta(seconds=Settings().order_lifetime),
    )  # fmt: skip


def _annotate(view: ClusterView, manifest: ManifestRef, annotations: Mapping[str, str]) -> None:
    """Raises StepFailure, which says which permission is missing."""
    if view.wiring.mode(manifest) != "own":
        raise ControlError(409, f"the store of {manifest} is not Lockstep's (spec.controller: lockstep)")
    if view.wiring.held(manifest) is None:
        raise ControlError(409, f"{manifest} is no object of the cluster any more")
    body = {"metadata": {"annotations": dict(annotations)}}
    view.api.patch(ROTATIONS, manifest.name, body, manifest.namespace, metadata_only=True)


def _need_authority(view: ClusterView, otherwise: str) -> None:
    reason = NO_AUTHORITY if view.authority is None else view.authority.gate.health().reason
    if reason:
        raise ControlError(503, f"{reason}; what is known of rotations is there{otherwise}")
