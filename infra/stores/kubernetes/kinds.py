"""Sources of several kinds behind one port: what a source's name means is for the wiring to say."""

from collections.abc import Callable, Mapping

from events.references import SecretRef
from functions._failures import Reject
from functions._manifests.selector import LabelSelector
from functions._marks import SOURCE_KIND
from functions._ports import Secret, SecretHead, SourceSecrets

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

    def head(self, ref: SecretRef) -> SecretHead | None:
        return self._reader(ref).head(ref)

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return self._readers["Secret"].select(namespace, selector)

    def _reader(self, ref: SecretRef) -> SourceSecrets:
        kind = self._kind_of(ref)
        reader = self._readers.get(kind)
        if reader is None:
            known = ", ".join(sorted(self._readers))
            raise Reject(f"{ref}: {kind[:64]!a} cannot be a source; {SOURCE_KIND} takes {known}")
        return reader
