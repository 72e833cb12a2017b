"""Services as sources: where something listens, published like a Secret (seed 001, internal configuration).

    host           `<name>.<namespace>.svc`, as Pods resolve it in every cluster domain; an ExternalName's own name
    port           the first port's number
    port-<name>    the number of each named port
    ports          all numbers in the Service's order, joined by commas

A Service without ports (headless, ExternalName) has `host` alone.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from events.references import SecretRef
from functions._manifests.rare import LabelSelector
from functions._ports import LookedAt, Secret, SecretHead
from functions._values import SecretValue
from infra.kubernetes.api import Api
from infra.kubernetes.resources import SERVICES, Object
from infra.stores.kubernetes.heads import head, head_of, plain
from infra.stores.kubernetes.many import ManyHeads
from infra.stores.kubernetes.selecting import select


class ServiceSources:
    """SourceSecrets over Services. Raises as KubernetesSecrets does."""

    def __init__(self, api: Api, *, lists: bool = False) -> None:
        self._api = api
        self._many = ManyHeads(api, SERVICES, head_of, lists=lists)

    def read(self, ref: SecretRef) -> Secret | None:
        found = self._api.get(SERVICES, ref.name, ref.namespace)
        return None if found is None else plain(ref, found, service_keys(ref, found))

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        yield lambda: self.read(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return head(self._api, SERVICES, ref)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self._many.look(refs)

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        return select(self._api, SERVICES, namespace, selector)


def service_keys(ref: SecretRef, found: Object) -> dict[str, SecretValue]:
    """The keys that a Service has as a source."""
    spec = found.get("spec") or {}
    outside = spec.get("externalName") if spec.get("type") == "ExternalName" else None
    ports = [(each.get("name") or "", str(each["port"])) for each in spec.get("ports") or () if "port" in each]
    texts = {"host": outside or f"{ref.name}.{ref.namespace}.svc"}
    if ports:
        texts |= {"port": ports[0][1], "ports": ",".join(number for _, number in ports)}
    texts |= {f"port-{name}": number for name, number in ports if name}
    return {key: SecretValue.of(text) for key, text in texts.items()}
