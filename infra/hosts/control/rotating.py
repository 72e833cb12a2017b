"""POST rotate, GET rotation/plan, POST rotation/abort, POST rotation/resume: orders about rotations, seen first."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from events.references import PathRef, SecretRef, Version
from events.rotation import AbortRequested, PhaseRequested, Policy, RotationRequested
from functions._failures import Reject, StepFailure
from functions._manifests.rotation import Rotation
from functions._ports import Ports
from functions._rotation_facts import turn_of
from functions._rotation_naming import attempt_after, rotation_id
from functions._rotation_rights import refuse_producers, refused
from functions._rotations import ENDED, Record
from infra.hosts.control.arguments import ports_of, text
from infra.hosts.control.documents import Document, version
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.control.rotations import chosen, shown
from infra.hosts.local.instance import Parts
from infra.hosts.views.rotations import RotationState
from infra.hosts.views.standing import Standings, standings_of

_BEGINS = "create"  # whose rights are used to see what the order would meet
_EXAMINES = "apply"  # it alone may look at a target as its admin
_GIVEN_UP = frozenset({"requested", "staged", "applied", "verified"})  # until the live write begins


def plan(parts: Parts, arguments: Arguments, by: str) -> Document:
    """What rotating would meet: rights, reachability and limits of the target, blast radius. It changes nothing."""
    state = chosen(parts, arguments)
    path, rotation = _wired(state)
    asked = _order(parts, state, path, _policy(arguments), by)
    ports = ports_of(parts)(_BEGINS)
    refusal = _refusal(state, rotation, path, ports)
    findings = [] if refusal else list(_examined(parts, rotation))
    return {
        **shown(state),
        "policy": asked.policy,
        "base": version(asked.base),
        "attempt": asked.attempt,
        "joins": state.record.id if state.record is not None and state.under_way else None,
        "refused": refusal,
        "findings": findings,
        "consumers": list(_consumers(parts, path)),
        "window": rotation.spec.schedule.window if rotation.spec.schedule else "",
        "passes": not refusal and not any(one["blocks"] for one in findings),
    }


def rotate(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Order it, away from the version that the path has now. A rotation under way is joined."""
    state = chosen(parts, arguments)
    path, rotation = _wired(state)
    if refusal := _refusal(state, rotation, path, ports_of(parts)(_BEGINS)):
        raise ControlError(409, refusal)
    order = _order(parts, state, path, _policy(arguments), by)
    joined = state.record if state.under_way and state.record and order.base == state.record.base else None
    (sequence,) = give(parts, [order], by)
    known = joined.id if joined is not None else rotation_id(path, order.base, order.attempt)
    return {
        "sequence": sequence,
        "rotation": known,
        "joined": joined is not None,
        "name": f"{rotation.namespace}/{rotation.name}",
        "path": str(path),
        "policy": order.policy,
        "base": version(order.base),
    }


def abort(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Give up the one under way. 409 where there is none, or where it is promoted: that is never taken back."""
    record, path = _under_way(chosen(parts, arguments))
    if record.phase not in _GIVEN_UP:
        raise ControlError(
            409, f"the rotation of {path} is {record.phase}: its new value is live, so it goes on to the end"
            if record.phase in ("promoting", "promoted") else f"the rotation of {path} is being given up already",
        )  # fmt: skip
    order = AbortRequested(
        path=path, rotation=record.id, by=by, expires=_expires(parts), reason=f"given up by {by}",
    )  # fmt: skip
    return {"sequence": give(parts, [order], by)[0], "rotation": record.id, "path": str(path)}


def resume(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Have the step whose turn it is look again now, instead of at its next time. 409 where nothing is under way."""
    state = chosen(parts, arguments)
    record = state.record
    if record is None or state.path is None or (record.phase in ENDED and not record.orphans):
        raise ControlError(409, _nothing(state))
    order = PhaseRequested(
        path=state.path, rotation=record.id, step=turn_of(record), expires=_expires(parts), reason=f"asked by {by}",
    )  # fmt: skip
    return {
        "sequence": give(parts, [order], by)[0], "rotation": record.id, "path": str(state.path), "step": order.step,
    }  # fmt: skip


def _order(parts: Parts, state: RotationState, path: PathRef, policy: Policy, by: str) -> RotationRequested:
    base = _newest(parts, path)
    known = state.record
    if known is not None and state.under_way:
        # Joined: about what it replaces. What it promoted can leak, too, and is then replaced after it.
        base = base if policy == "leak" and base == known.promoted else known.base
        attempt = known.attempt if base == known.base else 1
    else:
        attempt = attempt_after(known, base)
    return RotationRequested(
        path=path, policy=policy, base=base, attempt=attempt, by=by, expires=_expires(parts), reason=f"asked by {by}",
    )  # fmt: skip


def _newest(parts: Parts, path: PathRef) -> Version | None:
    stored = ports_of(parts)(_BEGINS).authority.read(path)
    return stored.version if stored is not None else None


def _refusal(state: RotationState, rotation: Rotation, path: PathRef, ports: Ports) -> str:
    """Why the order would come to nothing; "" where it would not."""
    try:
        refuse_producers(path, ports)
    except Reject as reject:
        return reject.reason
    if reason := refused(rotation, path, ports):
        return reason
    return f"writing is suspended ({state.suspended}); `lockstep resume` releases it" if state.suspended else ""


def _examined(parts: Parts, rotation: Rotation) -> Iterator[Document]:
    target, systems = rotation.spec.target, ports_of(parts)(_EXAMINES).systems
    try:
        system = systems.open(target.name)
        if rotation.spec.strategy not in system.strategies:
            able = ", ".join(system.strategies)
            yield {"blocks": True, "text": f"the target carries out {able}, not {rotation.spec.strategy}"}
        for found in system.examine(target.names):
            yield {"blocks": found.blocks, "text": found.text}
    except StepFailure as failure:
        yield {"blocks": True, "text": failure.reason}


def _consumers(parts: Parts, path: PathRef) -> Iterator[Document]:
    """The blast radius: who gets the new value, and which workloads are restarted for it."""
    standings = standings_of(parts.platform, ports_of(parts))
    for consumer in sorted(parts.wiring.consumers_of_path(path), key=lambda one: str(one.ref)):
        yield {
            "consumer": f"{consumer.namespace}/{consumer.name}",
            "secret": str(consumer.target),
            "problem": parts.wiring.problem(consumer.ref) or "",
            "workloads": list(_workloads(standings, consumer.target)) if standings else [],
        }


def _workloads(standings: Standings, secret: SecretRef) -> Iterator[Document]:
    for one in standings.of(secret).workloads:
        yield {"workload": str(one.workload), "restarts": one.restarts}


def _wired(state: RotationState) -> tuple[PathRef, Rotation]:
    if state.path is None or state.rotation is None:
        raise ControlError(409, state.wrong or f"{state.manifest} is not wired any more; only its end is awaited")
    return state.path, state.rotation


def _under_way(state: RotationState) -> tuple[Record, PathRef]:
    if state.record is None or state.path is None or not state.under_way:
        raise ControlError(409, _nothing(state))
    return state.record, state.path


def _nothing(state: RotationState) -> str:
    return state.unknown or f"no rotation of {state.path or state.manifest} is under way; `lockstep rotate` begins one"


def _policy(arguments: Arguments) -> Policy:
    value = text(arguments, "policy") if arguments.get("policy") is not None else "planned"
    if value == "planned":
        return "planned"
    if value == "leak":
        return "leak"
    raise ControlError(400, "`policy` is planned or leak")


def _expires(parts: Parts) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime)
