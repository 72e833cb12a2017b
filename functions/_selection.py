"""Which source Secrets a PushSecret selects, and the states they are in, by metadata alone."""

from events.references import SecretRef
from functions._manifests.push_secret import PushSecret
from functions._ports import SourceSecrets


def selected(push: PushSecret, sources: SourceSecrets) -> tuple[SecretRef, ...]:
    """The Secrets that it names or whose labels match, always in its own namespace; none for a generator."""
    selector = push.spec.selector.secret
    if selector.name is not None:
        return (SecretRef(namespace=push.namespace, name=selector.name),)
    return sources.select(push.namespace, selector.selector) if selector.selector is not None else ()


def source_states(push: PushSecret, sources: SourceSecrets) -> dict[SecretRef, str]:
    """The state of each selected Secret that is there. Raises as `SourceSecrets.head` does."""
    refs = selected(push, sources)
    return {ref: head.state for ref in refs if (head := sources.head(ref)) is not None}
