"""From a producer's source Secrets to the content of one path (seed 001, 5a.3.2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from events.references import PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.push_secret import PushEntry, PushSecret
from functions._manifests.reserved import REFUSED_TYPES
from functions._marks import DERIVED
from functions._ports import Ports, Secret
from functions._selection import selected
from functions._shaping.assemble import assemble
from functions._shaping.conversion import reverse_unicode
from functions._shaping.literals import from_literals
from functions._values import SecretValue

NOTHING_READ: Mapping[SecretRef, Secret | None] = {}


@dataclass(frozen=True, slots=True)
class Sourced:
    """The content that the source asks of a path, and the states it was read at."""

    content: Mapping[str, SecretValue]
    states: Mapping[str, str]


def sourced(
    push: PushSecret,
    path: PathRef,
    entries: tuple[PushEntry, ...],
    ports: Ports,
    already: Mapping[SecretRef, Secret | None] = NOTHING_READ,
) -> Sourced | None:
    """What the path should hold; None while no source Secret exists. What is read `already` is not read again.

    Raises Reject: a Secret of a refused type, one that we manage ourselves, a missing or ambiguous key.
    """
    selector = push.spec.selector.secret
    if selector.name is None and selector.selector is None:
        raise Reject(f"{push.ref}: spec.selector.secret needs a name or a selector")
    refs = selected(push, ports.sources)
    read = [already[ref] if ref in already else ports.sources.read(ref) for ref in refs]
    found = [secret for secret in read if secret is not None]
    if not found:
        return None
    for secret in found:
        _refuse_unfit(push, secret)
    candidates = [_templated(push, secret) for secret in found]
    content: dict[str, SecretValue] = {}
    for entry in entries:
        for name, value in _entry_content(push, entry, candidates).items():
            if name in content:
                raise Reject(f"{push.ref}: two entries of spec.data write property {name!r} of {path}")
            content[name] = value
    return Sourced(content=content, states={str(secret.ref): secret.state for secret in found})


def _refuse_unfit(push: PushSecret, secret: Secret) -> None:
    if secret.type in REFUSED_TYPES:
        raise Reject(f"{push.ref}: Secret {secret.ref} has type {secret.type}, which is never distributed")
    if secret.owner and push.annotations.get(DERIVED) != "true":
        raise Reject(
            f"{push.ref}: Secret {secret.ref} is itself managed ({secret.owner}); publishing it again can loop. "
            f"If it is meant, annotate the PushSecret with {DERIVED}: 'true'"
        )


def _templated(push: PushSecret, secret: Secret) -> Mapping[str, SecretValue]:
    template = push.spec.template
    if template is None:
        return secret.data
    # a PushSecret's template always merges in ESO
    subject = str(push.ref)
    made = from_literals(secret.data, template.literals("Data"), subject=subject)
    return {**assemble(secret.data, template.data, "Merge", subject=subject), **_beneath(made, template.data)}


def _beneath(made: dict[str, SecretValue], templates: Mapping[str, str]) -> dict[str, SecretValue]:
    """What literals make, where no template of its own says otherwise."""
    return {key: value for key, value in made.items() if key not in templates}


def _entry_content(
    push: PushSecret, entry: PushEntry, candidates: list[Mapping[str, SecretValue]]
) -> Mapping[str, SecretValue]:
    holding = [data for data in candidates if entry.secret_key in data]
    if not holding:
        raise Reject(f"{push.ref}: no source Secret has key {entry.secret_key!r}; add it there or correct spec.data")
    if len(holding) > 1:
        raise Reject(f"{push.ref}: several source Secrets have key {entry.secret_key!r}; narrow the selector")
    value = holding[0][entry.secret_key]
    if entry.property:
        name = reverse_unicode(entry.property) if entry.conversion == "ReverseUnicode" else entry.property
        return {name: value}
    return _object_members(push, entry, value)


def _object_members(push: PushSecret, entry: PushEntry, value: SecretValue) -> Mapping[str, SecretValue]:
    # Without a property the value is the whole path, which KV keeps as a JSON object (reference/distribution.md 2).
    message = f"{push.ref}: key {entry.secret_key!r} is pushed without a property, so it must be a JSON object"
    try:
        parsed = json.loads(value.reveal())
    except (ValueError, RecursionError):
        raise Reject(message) from None
    if not isinstance(parsed, dict):
        raise Reject(message)
    return {
        name: SecretValue.of(member if isinstance(member, str) else json.dumps(member, separators=(",", ":")))
        for name, member in parsed.items()
    }
