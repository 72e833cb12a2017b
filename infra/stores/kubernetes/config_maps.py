"""ConfigMaps as sources: internal configuration that is published like a Secret (seed 001)."""

import base64
import binascii
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from events.references import SecretRef
from functions._failures import Reject
from functions._manifests.rare import LabelSelector
from functions._ports import LookedAt, Secret, SecretHead
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.resources import CONFIG_MAPS, Object
from infra.stores.kubernetes.heads import head, head_of, plain
from infra.stores.kubernetes.many import ManyHeads
from infra.stores.kubernetes.selecting import select


class ConfigMapSources:
    """SourceSecrets over ConfigMaps: `data` as UTF-8, and `binaryData`. Raises as KubernetesSecrets does."""

    def __init__(self, api: Api, *, lists: bool = False) -> None:
        self._api = api
        self._many = ManyHeads(api, CONFIG_MAPS, head_of, lists=lists)

    def read(self, ref: SecretRef) -> Secret | None:
        found = self._api.get(CONFIG_MAPS, ref.name, ref.namespace)
        return None if found is None else plain(ref, found, _data(ref, found))

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        yield lambda: self.read(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return head(self._api, CONFIG_MAPS, ref)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self._many.look(refs)

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return select(self._api, CONFIG_MAPS, namespace, selector)


def _data(ref: SecretRef, found: Object) -> dict[str, SecretValue]:
    text = {key: SecretValue.of(value) for key, value in (found.get("data") or {}).items()}
    try:
        binary = {key: SecretValue(base64.b64decode(value)) for key, value in (found.get("binaryData") or {}).items()}
    except (binascii.Error, ValueError, TypeError):
        raise Reject(f"ConfigMap {ref}: the API server sends binaryData that is not base64") from None
    return {**text, **binary}  # Kubernetes lets no key be in both
