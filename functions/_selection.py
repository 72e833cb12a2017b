"""Which source Secrets a PushSecret selects, and the states they are in, by metadata alone."""

from collections.abc import Iterable

from events.references import SecretRef
from functions._manifests.push_secret import PushSecret
from functions._ports import LookedAt, SourceSecrets


def selected(push: PushSecret, sources: SourceSecrets) -> tuple[SecretRef, ...]:
    """The Secrets that it names or whose labels match, always in its own namespace; none for a generator."""
    selector = push.spec.selector.secret
    if selector.name is not None:
        return (SecretRef(namespace=push.namespace, name=selector.name),)
    return sources.select(push.namespace, selector.selector) if selector.selector is not None else ()


def source_states(push: PushSecret, sources: SourceSecrets, looked_at: LookedAt | None = None) -> dict[SecretRef, str]:
    """The state of each selected Secret that is there. Raises as `SourceSecrets.head` does.

    `looked_at`: what many were looked up together by.
    """
    look = looked_at or sources.head
    return {ref: head.state for ref in selected(push, sources) if (head := look(ref)) is not None}


def named_sources(pushes: Iterable[PushSecret]) -> frozenset[SecretRef]:
    """The sources that manifests name, to look them up together; those selected by label are known when selected."""
    return frozenset(push.source for push in pushes if push.source is not None)
