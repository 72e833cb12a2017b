"""Secrets for who only looks: what the watches hold is told from memory, so that a look at everything asks nothing.

A request for each of thousands of Secrets, at every scrape of the metrics, would cost the API server more than all
changes do. Steps never read through these: they need what is, not what was told last.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

from events.references import SecretRef
from functions._manifests.rare import LabelSelector
from functions._ports import LookedAt, Secret, SecretContent, SecretHead, SourceSecrets, TargetSecrets
from infra.sources.kubernetes_watch import KubernetesWatch

Following = Callable[[], KubernetesWatch | None]  # None while nothing is followed


class KnownSources:
    """Implements SourceSecrets; `kind_of` as for SourcesOfKinds."""

    def __init__(self, real: SourceSecrets, watch: Following, kind_of: Callable[[SecretRef], str]) -> None:
        self._real = real
        self._watch = watch
        self._kind_of = kind_of

    def read(self, ref: SecretRef) -> Secret | None:
        return self._real.read(ref)

    def reading(self, ref: SecretRef) -> AbstractContextManager[Callable[[], Secret | None]]:
        return self._real.reading(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return _head(self._watch(), self._kind_of(ref), ref, self._real.head)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self.head  # from memory

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return self._real.select(namespace, selector)


class KnownTargets:
    """Implements TargetSecrets."""

    def __init__(self, real: TargetSecrets, watch: Following) -> None:
        self._real = real
        self._watch = watch

    def read(self, ref: SecretRef) -> Secret | None:
        return self._real.read(ref)

    def reading(self, ref: SecretRef) -> AbstractContextManager[Callable[[], Secret | None]]:
        return self._real.reading(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return _head(self._watch(), "Secret", ref, self._real.head)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self.head  # from memory

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        return self._real.create(ref, content)

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        return self._real.update(ref, content, expected)

    def delete(self, ref: SecretRef, expected: str) -> None:
        self._real.delete(ref, expected)


def _head(
    watch: KubernetesWatch | None, kind: str, ref: SecretRef, ask: Callable[[SecretRef], SecretHead | None]
) -> SecretHead | None:
    if watch is None:
        return ask(ref)
    try:
        seen = watch.held(kind, ref)
    except LookupError:
        return ask(ref)
    return None if seen is None else seen.head or ask(ref)
