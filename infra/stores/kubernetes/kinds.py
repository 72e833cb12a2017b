"""Sources of several kinds behind one port: what a source's name means is for the wiring to say."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

from events.references import SecretRef
from functions._failures import Reject
from functions._manifests.rare import LabelSelector
from functions._marks import SOURCE_KIND
from functions._ports import LookedAt, Secret, SecretHead, SourceSecrets

__all__ = ["SOURCE_KIND", "SourcesOfKinds"]


class SourcesOfKinds:
    """SourceSecrets that asks the reader of the right kind. Selectors by label choose Secrets alone.

    `kind_of` gives the kind that the wired PushSecrets mean by a name; a kind without a reader raises Reject.
    """

    def __init__(self, readers: Mapping[str, SourceSecrets], kind_of: Callable[[SecretRef], str]) -> None:
        self._readers = readers
        self._kind_of = kind_of

    def read(self, ref: SecretRef) -> Secret | None:
        return self._reader(ref).read(ref)

    def reading(self, ref: SecretRef) -> AbstractContextManager[Callable[[], Secret | None]]:
        return self._reader(ref).reading(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return self._reader(ref).head(ref)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        chosen: dict[str, list[SecretRef]] = {}
        for ref in refs:
            chosen.setdefault(self._kind_of(ref), []).append(ref)
        found = {kind: self._readers[kind].heads(those) for kind, those in chosen.items() if kind in self._readers}

        def looked_at(ref: SecretRef) -> SecretHead | None:
            by_kind = found.get(self._kind_of(ref))
            return by_kind(ref) if by_kind is not None else self._reader(ref).head(ref)

        return looked_at

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return self._readers["Secret"].select(namespace, selector)

    def _reader(self, ref: SecretRef) -> SourceSecrets:
        kind = self._kind_of(ref)
        reader = self._readers.get(kind)
        if reader is None:
            known = ", ".join(sorted(self._readers))
            raise Reject(f"{ref}: {kind[:64]!a} cannot be a source; {SOURCE_KIND} takes {known}")
        return reader
