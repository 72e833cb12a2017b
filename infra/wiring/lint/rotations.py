"""What Rotations must keep with the platform's declarations, with consumers, and with the access policy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from functions._failures import Reject
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.rotation import Rotation, Strategy
from functions._manifests.rotation_target import RotationTarget
from functions._rotation_rights import refused_strategy
from infra.wiring import rules
from infra.wiring.access import AccessRules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding, Rule
from infra.wiring.index import Index
from infra.wiring.targets import declarations


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What a type of target can carry out and tell, and the fields that its credentials have."""

    strategies: tuple[Strategy, ...]
    fields: frozenset[str]
    unseen: tuple[Strategy, ...] = ()  # those under which it cannot tell who uses which credential


FactsOf = Callable[[RotationTarget], TargetFacts]
"""Raises Reject for a type that is not known, or parameters that it does not take."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What else than the wiring is known: each None where it is not."""

    facts: FactsOf | None = None
    access: AccessRules | None = None


def rotation_findings(documents: list[Document], index: Index, beside: Beside) -> Iterator[Finding]:
    """Targets are looked at where any is declared among the documents: a wiring alone cannot know them."""
    declared, twice = declarations(documents)
    yield from twice
    facts: dict[str, TargetFacts] = {}
    for document in documents:
        if document.target is not None and beside.facts is not None:
            try:
                facts[document.target.name] = beside.facts(document.target)
            except Reject as reject:
                yield _finding(rules.TARGET_PARAMETERS, document, reject.reason, "spec")
    for document in documents:
        if isinstance(document.manifest, Rotation):
            yield from _timing(document, document.manifest)
            yield from _denied(document, document.manifest, index, beside.access)
            if declared:
                yield from _target(document, document.manifest, declared)
            if (known := facts.get(document.manifest.spec.target.name)) is not None:
                yield from _carried_out(document, document.manifest, known)
                yield from _unrotated(document, document.manifest, known, index)


def _timing(document: Document, rotation: Rotation) -> Iterator[Finding]:
    schedule = rotation.spec.schedule
    if schedule is None and rotation.spec.maximum_age is None:
        yield _finding(rules.NEVER_DUE, document, "is never due by itself", "spec")
    elif schedule is not None and not schedule.window:
        yield _finding(rules.NO_WINDOW, document, "its schedule has no window", "spec", "schedule")


def _denied(document: Document, rotation: Rotation, index: Index, access: AccessRules | None) -> Iterator[Finding]:
    if access is None:
        return
    try:
        path = rotation.path(index.mount)
    except Reject:
        return  # said already
    if not access.may_publish(rotation.namespace, path):
        message = f"namespace {rotation.namespace} may not publish {path}"
        yield _finding(rules.ROTATION_DENIED, document, message, "spec", "remoteKey")


def _target(document: Document, rotation: Rotation, declared: Mapping[str, RotationTarget]) -> Iterator[Finding]:
    named = rotation.spec.target
    target = declared.get(named.name)
    if target is None:
        message = f"RotationTarget {named.name!r} is not declared; there are {', '.join(sorted(declared))}"
        yield _finding(rules.UNKNOWN_TARGET, document, message, "spec", "target", "name")
    elif reason := target.refusal(rotation.namespace, named.names):
        yield _finding(rules.ACCOUNT_NOT_ALLOWED, document, reason, "spec", "target")


def _carried_out(document: Document, rotation: Rotation, facts: TargetFacts) -> Iterator[Finding]:
    if reason := refused_strategy(rotation.spec.target.name, rotation.spec.strategy, facts.strategies):
        yield _finding(rules.STRATEGY_UNABLE, document, reason, "spec", "strategy")
    elif rotation.spec.evidence == "seen" and rotation.spec.strategy in facts.unseen:
        message = f"evidence `seen` cannot be had of its target with strategy {rotation.spec.strategy}"
        yield _finding(rules.EVIDENCE_UNSEEN, document, message, "spec", "evidence")


def _unrotated(document: Document, rotation: Rotation, facts: TargetFacts, index: Index) -> Iterator[Finding]:
    rotated = {rotation.property_of(field) for field in facts.fields}
    for external in _consumers(rotation, index):
        key = rotation.spec.remote_key
        read = {item.remote_ref.property for item in external.spec.data if item.remote_ref.key == key}
        whole = "" in read or any(source.extract and source.extract.key == key for source in external.spec.data_from)
        if read and not whole and not read & rotated:
            message = f"{external.ref} reads {', '.join(sorted(read))}; replaced are {', '.join(sorted(rotated))}"
            yield _finding(rules.UNROTATED_PROPERTY, document, message, "spec", "remoteKey")


def _consumers(rotation: Rotation, index: Index) -> tuple[ExternalSecret, ...]:
    try:
        return index.consumers_of_path(rotation.path(index.mount))
    except Reject:
        return ()  # said already


def _finding(rule: Rule, document: Document, message: str, *place: str) -> Finding:
    return Finding(rule, document.file, document.at(*place), f"{document.title}: {message}")
