"""POST rotate, GET rotation/plan, POST rotation/abort, POST rotation/resume: orders about rotations, seen first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from events.references import PathRef, SecretRef, Version
from events.rotation import AbortRequested, PhaseRequested, Policy, RotationRequested
from functions._failures import Reject, StepFailure
from functions._manifests.rotation import Rotation
from functions._ports import Ports, Wiring
from functions._rotation_facts import turn_of
from functions._rotation_naming import attempt_after, rotation_id
from functions._rotation_rights import refuse_producers, refused, refused_strategy
from functions._rotations import ENDED, Record
from infra.hosts.control.arguments import ports_of
from infra.hosts.control.documents import Document, version
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.control.rotations import chosen, shown
from infra.hosts.local.instance import Parts
from infra.hosts.views.rotations import RotationState
from infra.hosts.views.standing import Standings, standings_of

_BEGINS = "create"  # whose rights are used to see what the order would meet
_EXAMINES = "apply"  # it alone may look at a target as its admin
GIVEN_UP = frozenset({"requested", "staged", "applied", "verified"})  # until the live write begins


@dataclass(frozen=True, slots=True)
class Seeing:
    """What an order is looked at with before it is given: by a running instance, or by who looks at a cluster.

    `newest` is the version of a path that an order is about; `standings` is None where there are no workloads.
    """

    wiring: Wiring
    ports: Callable[[str], Ports]
    newest: Callable[[PathRef], Version | None]
    standings: Standings | None
    lifetime: timedelta


def plan(parts: Parts, arguments: Arguments, by: str) -> Document:
    """What rotating would meet: rights, reachability and limits of the target, blast radius. It changes nothing."""
    return planned(_seeing(parts), chosen(parts, arguments), policy_of(arguments.get("policy")), by)


def rotate(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Order it, away from the version that the path has now. A rotation under way is joined."""
    seeing, state = _seeing(parts), chosen(parts, arguments)
    order = ordered(seeing, state, policy_of(arguments.get("policy")), by)
    (sequence,) = give(parts, [order], by)
    return given(state, order, sequence)


def planned(seeing: Seeing, state: RotationState, policy: Policy, by: str) -> Document:
    """What an order would meet."""
    path, rotation = _wired(state)
    asked = _order(seeing, state, path, policy, by)
    refusal = _refusal(state, rotation, path, seeing.ports(_BEGINS))
    findings = [] if refusal else list(_examined(seeing, rotation))
    return {
        **shown(state),
        "policy": asked.policy,
        "base": version(asked.base),
        "attempt": asked.attempt,
        "joins": state.record.id if state.record is not None and state.under_way else None,
        "refused": refusal,
        "findings": findings,
        "consumers": list(_consumers(seeing, path)),
        "window": rotation.spec.schedule.window if rotation.spec.schedule else "",
        "passes": not refusal and not any(one["blocks"] for one in findings),
    }


def ordered(seeing: Seeing, state: RotationState, policy: Policy, by: str) -> RotationRequested:
    """The order. Raises ControlError where it would come to nothing."""
    path, rotation = _wired(state)
    if refusal := _refusal(state, rotation, path, seeing.ports(_BEGINS)):
        raise ControlError(409, refusal)
    return _order(seeing, state, path, policy, by)


def given(state: RotationState, order: RotationRequested, sequence: int | None) -> Document:
    """What is said of an order that was given; without `sequence` it is an annotation."""
    joined = state.record if state.under_way and state.record and order.base == state.record.base else None
    known = joined.id if joined is not None else rotation_id(order.path, order.base, order.attempt)
    return {
        "sequence": sequence,
        "rotation": known,
        "joined": joined is not None,
        "name": f"{state.manifest.namespace}/{state.manifest.name}",
        "path": str(order.path),
        "policy": order.policy,
        "base": version(order.base),
    }


def abort(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Give up the one under way. 409 where there is none, or where it is promoted: that is never taken back."""
    record, path = under_way(chosen(parts, arguments))
    refuse_late(path, record.phase)
    order = AbortRequested(
        path=path, rotation=record.id, by=by, expires=_expires(parts), reason=f"given up by {by}",
    )  # fmt: skip
    return {"sequence": give(parts, [order], by)[0], "rotation": record.id, "path": str(path)}


def refuse_late(path: PathRef, phase: str) -> None:
    """Raises ControlError where a rotation in this phase is given up no more."""
    if phase not in GIVEN_UP:
        raise ControlError(
            409, f"the rotation of {path} is {phase}: its new value is live, so it goes on to the end"
            if phase in ("promoting", "promoted") else f"the rotation of {path} is being given up already",
        )  # fmt: skip


def resume(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Have the step whose turn it is look again now, instead of at its next time. 409 where nothing is under way."""
    record, path = unfinished(chosen(parts, arguments))
    order = PhaseRequested(
        path=path, rotation=record.id, step=turn_of(record), expires=_expires(parts), reason=f"asked by {by}",
    )  # fmt: skip
    return {"sequence": give(parts, [order], by)[0], "rotation": record.id, "path": str(path), "step": order.step}


def _seeing(parts: Parts) -> Seeing:
    ports = ports_of(parts)

    def newest(path: PathRef) -> Version | None:
        stored = ports(_BEGINS).authority.read(path)
        return stored.version if stored is not None else None

    return Seeing(
        wiring=parts.wiring, ports=ports, newest=newest, standings=standings_of(parts.platform, ports),
        lifetime=timedelta(seconds=parts.shared.settings.order_lifetime),
    )  # fmt: skip


def _order(seeing: Seeing, state: RotationState, path: PathRef, policy: Policy, by: str) -> RotationRequested:
    base = seeing.newest(path)
    known = state.record
    if known is not None and state.under_way:
        # Joined: about what it replaces. What it promoted can leak, too, and is then replaced after it.
        base = base if policy == "leak" and base == known.promoted else known.base
        attempt = known.attempt if base == known.base else 1
    else:
        attempt = attempt_after(known, base)
    return RotationRequested(
        path=path, policy=policy, base=base, attempt=attempt, by=by, expires=datetime.now(UTC) + seeing.lifetime,
        reason=f"asked by {by}",
    )  # fmt: skip


def _refusal(state: RotationState, rotation: Rotation, path: PathRef, ports: Ports) -> str:
    """Why the order would come to nothing; "" where it would not."""
    try:
        refuse_producers(path, ports)
    except Reject as reject:
        return reject.reason
    if reason := refused(rotation, path, ports):
        return reason
    return f"writing is suspended ({state.suspended}); `lockstep resume` releases it" if state.suspended else ""


def _examined(seeing: Seeing, rotation: Rotation) -> Iterator[Document]:
    target, systems = rotation.spec.target, seeing.ports(_EXAMINES).systems
    try:
        system = systems.open(target.name)
        if reason := refused_strategy(target.name, rotation.spec.strategy, system.strategies):
            yield {"blocks": True, "text": reason}
        for found in system.examine(target.names):
            yield {"blocks": found.blocks, "text": found.text}
    except StepFailure as failure:
        yield {"blocks": True, "text": failure.reason}


def _consumers(seeing: Seeing, path: PathRef) -> Iterator[Document]:
    """The blast radius: who gets the new value, and which workloads are restarted for it."""
    standings = seeing.standings
    for consumer in sorted(seeing.wiring.consumers_of_path(path), key=lambda one: str(one.ref)):
        yield {
            "consumer": f"{consumer.namespace}/{consumer.name}",
            "secret": str(consumer.target),
            "problem": seeing.wiring.problem(consumer.ref) or "",
            "workloads": list(_workloads(standings, consumer.target)) if standings else [],
        }


def _workloads(standings: Standings, secret: SecretRef) -> Iterator[Document]:
    for one in standings.of(secret).workloads:
        yield {"workload": str(one.workload), "restarts": one.restarts}


def _wired(state: RotationState) -> tuple[PathRef, Rotation]:
    if state.path is None or state.rotation is None:
        raise ControlError(409, state.wrong or f"{state.manifest} is not wired any more; only its end is awaited")
    return state.path, state.rotation


def unfinished(state: RotationState) -> tuple[Record, PathRef]:
    """What is under way, or has left something to be ended. Raises ControlError 409."""
    record = state.record
    if record is None or state.path is None or (record.phase in ENDED and not record.orphans):
        raise ControlError(409, _nothing(state))
    return record, state.path


def under_way(state: RotationState) -> tuple[Record, PathRef]:
    """What is under way. Raises ControlError 409."""
    if state.record is None or state.path is None or not state.under_way:
        raise ControlError(409, _nothing(state))
    return state.record, state.path


def _nothing(state: RotationState) -> str:
    return state.unknown or f"no rotation of {state.path or state.manifest} is under way; `lockstep rotate` begins one"


def policy_of(value: object) -> Policy:
    """The policy that was asked for: planned, unless another is. Raises ControlError."""
    if value is None or value == "planned":
        return "planned"
    if value == "leak":
        return "leak"
    raise ControlError(400, "`policy` is planned or leak")


def _expires(parts: Parts) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime)
