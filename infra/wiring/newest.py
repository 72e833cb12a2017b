"""The port `Wiring` over the newest snapshot, wherever its manifests come from."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from events.references import ManifestRef, PathRef, SecretRef
from functions._manifests.cluster_secret_store import Mode
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from infra.wiring.index import Index

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without it
    from functions._manifests.rotation import Rotation


class NewestWiring:
    """Answers from whatever snapshot is the newest. Whoever extends it swaps `_index`, as a whole."""

    _index: Index

    def snapshot(self) -> Index:
        """The newest snapshot, which never changes: for whoever asks several questions."""
        return self._index

    def push_secret(self, ref: ManifestRef) -> PushSecret | None:
        return self._index.push_secret(ref)

    def external_secret(self, ref: ManifestRef) -> ExternalSecret | None:
        return self._index.external_secret(ref)

    def producers_of_source(self, ref: SecretRef, labels: Mapping[str, str]) -> tuple[PushSecret, ...]:
        return self._index.producers_of_source(ref, labels)

    def selects_labels(self, namespace: str) -> bool:
        return self._index.selects_labels(namespace)

    def producers_of_path(self, path: PathRef) -> tuple[PushSecret, ...]:
        return self._index.producers_of_path(path)

    def consumers_of_path(self, path: PathRef) -> tuple[ExternalSecret, ...]:
        return self._index.consumers_of_path(path)

    def consumer_of_target(self, ref: SecretRef) -> tuple[ExternalSecret, ...]:
        return self._index.consumer_of_target(ref)

    def push_secrets(self) -> Iterator[PushSecret]:
        return self._index.push_secrets()

    def external_secrets(self) -> Iterator[ExternalSecret]:
        return self._index.external_secrets()

    def rotation(self, ref: ManifestRef) -> "Rotation | None":
        return self._index.rotation(ref)

    def rotation_of_path(self, path: PathRef) -> "Rotation | None":
        return self._index.rotation_of_path(path)

    def rotations(self) -> "Iterator[Rotation]":
        return self._index.rotations()

    def mount(self, store: str) -> str | None:
        return self._index.mount(store)

    def mode(self, ref: ManifestRef) -> Mode:
        return self._index.mode(ref)

    def gone(self, namespace: str) -> bool:
        return self._index.gone(namespace)

    def complete(self) -> bool:
        return self._index.complete()

    def problem(self, ref: ManifestRef) -> str | None:
        return self._index.problem(ref)
