"""What must hold before a rotation touches anything: its manifest, the access policy, the target's list, suspensions.

Checked at every delivery, from what stands there now. Before promotion a rotation that its manifest no longer asks is
given up; afterwards the old credential has to die by the terms that it began with.
"""

from dataclasses import replace
from typing import NoReturn

from events.references import PathRef
from functions._failures import Reject
from functions._manifests.rotation import Rotation, Strategy
from functions._manifests.rotation_target import Limits
from functions._ports import Ports
from functions._rotation_records import LATER, GivenUp, Stuck
from functions._rotations import Record, Terms
from functions._systems import Systems


def terms_of(rotation: Rotation) -> Terms:
    """What a rotation that begins now goes by to its end."""
    spec = rotation.spec
    return Terms(
        target=spec.target.name,
        strategy=spec.strategy,
        accounts=spec.target.names,
        properties=dict(spec.properties),
        grace=spec.grace,
        evidence=spec.evidence,
        leak=spec.leak,
    )


def terms_now(record: Record, rotation: Rotation | None) -> Terms:
    """The record's terms, as strict and as patient as the manifest asks now."""
    if rotation is None:
        return record.terms
    spec = rotation.spec
    return replace(record.terms, grace=spec.grace, evidence=spec.evidence, leak=spec.leak)


def refused(rotation: Rotation, path: PathRef, ports: Ports) -> str | None:
    """Why this manifest may not have this path rotated; None where it may."""
    if problem := ports.wiring.problem(rotation.ref):
        return f"{rotation.ref}: {problem}"
    if not ports.access.may_publish(rotation.namespace, path):
        return (
            f"{rotation.ref}: namespace {rotation.namespace} may not publish {path}; "
            "the access policy would have to name it (access.yaml, publish)"
        )
    return refused_accounts(rotation.namespace, terms_of(rotation), ports.systems)


def refused_accounts(namespace: str, terms: Terms, systems: Systems) -> str | None:
    """Why the target may not have these accounts changed for a namespace."""
    target = systems.declared(terms.target)
    if target is None:
        return f"RotationTarget {terms.target!r} is not declared; the platform declares targets"
    return target.refusal(namespace, terms.accounts)


def refused_strategy(target: str, strategy: Strategy, able: tuple[Strategy, ...]) -> str | None:
    """Why a target that is `able` to do these is not asked for another."""
    if strategy in able:
        return None
    return f"RotationTarget {target!r} carries out {', '.join(able)}, not {strategy}"


def refuse_producers(path: PathRef, ports: Ports) -> None:
    """Raises Reject for a path whose values a producer makes: its target is not ours to tell."""
    for push in ports.wiring.producers_of_path(path):
        raise Reject(
            f"{path} is published by {push.ref}: its values are made by that source, so rotate them there, "
            "or remove the PushSecret and let the Rotation make them"
        )


def check_asked(record: Record, ports: Ports) -> Rotation:
    """Before promotion: the manifest, if it still asks for exactly this. Raises GivenUp, Stuck."""
    rotation = ports.wiring.rotation(record.manifest)
    if rotation is None:
        if not ports.wiring.complete():
            _wait("not-allowed", f"{record.manifest} cannot be found while the wiring cannot be read as a whole")
        raise GivenUp("not-allowed")
    check_unsuspended(record, rotation, ports)
    if problem := ports.wiring.problem(rotation.ref):
        _wait("not-allowed", f"{rotation.ref}: {problem}")
    if not _asks(rotation, record, ports):
        raise GivenUp("not-allowed")
    if reason := refused(rotation, record.path, ports):
        _wait("not-allowed", reason)
    return rotation


def check_settled(record: Record, ports: Ports) -> Rotation | None:
    """After promotion: the manifest, if there is one. Raises Stuck."""
    rotation = ports.wiring.rotation(record.manifest)
    check_unsuspended(record, rotation, ports)
    check_accounts(record, ports)
    return rotation


def check_accounts(record: Record, ports: Ports) -> None:
    """That the target may have the accounts changed that the rotation began with. Raises Stuck."""
    if reason := refused_accounts(record.manifest.namespace, record.terms, ports.systems):
        _wait("not-allowed", reason)


def check_unsuspended(record: Record, rotation: Rotation | None, ports: Ports) -> None:
    """Raises Stuck while writing is suspended; a leak overrides that only where its owner said so."""
    if record.policy == "leak" and terms_now(record, rotation).leak.override_suspension:
        return
    if reason := ports.suspensions.reason(record.path, record.manifest):
        raise Stuck("suspended", f"writing is suspended ({reason})", until=ports.clock.now() + LATER)


def limits_of(record: Record, ports: Ports) -> Limits:
    """The target's limits; those of a new one where it is not declared any more."""
    target = ports.systems.declared(record.terms.target)
    return target.spec.limits if target is not None else Limits()


def _asks(rotation: Rotation, record: Record, ports: Ports) -> bool:
    now, began = terms_of(rotation), record.terms
    if (now.target, now.strategy, now.accounts) != (began.target, began.strategy, began.accounts):
        return False
    try:
        return now.properties == dict(began.properties) and rotation.path(ports.wiring.mount) == record.path
    except Reject:
        return False


def _wait(reason: str, detail: str) -> NoReturn:
    raise Stuck(reason, detail)
