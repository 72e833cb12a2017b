"""What others do to the Secrets of a real cluster, and a store whose namespaces are a test's own."""

import base64
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from events.references import SecretRef
from functions._manifests.selector import LabelSelector
from functions._ports import LookedAt, Secret, SecretContent, SecretHead
from functions._values import SecretValue
from infra.kubernetes.api import Api, OnCall
from infra.kubernetes.credentials import StaticToken
from infra.kubernetes.settings import ClusterSettings
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError


def ignored(verb: str, resource: str) -> None:
    """Counts nothing."""


def api_for(cluster: Cluster, token: str = "", on_call: OnCall = ignored, server: str = "") -> Api:
    """The product's client, as the administrator or in the identity of a token."""
    given = SecretValue.of(token or cluster.admin_token)
    return Api(
        ClusterSettings(server=server or cluster.server, credentials=StaticToken(given), ca_file=str(cluster.ca)),
        on_call,
    )


def secret_path(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")


class ElsewhereSecrets:
    """The adapter under other names of namespaces: tests that run side by side in one cluster share none.

    `names` maps what a test says to what the cluster has; anything else is the same in both.
    """

    def __init__(self, cluster: Cluster, names: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._names = dict(names)
        self._inner = KubernetesSecrets(api_for(cluster), lambda ref: None)

    def read(self, ref: SecretRef) -> Secret | None:
        found = self._inner.read(self._there(ref))
        return replace(found, ref=ref) if found else None

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        with self._inner.reading(self._there(ref)) as found:
            yield lambda: replace(secret, ref=ref) if (secret := found()) else None

    def head(self, ref: SecretRef) -> SecretHead | None:
        found = self._inner.head(self._there(ref))
        return replace(found, ref=ref) if found else None

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        found = self._inner.heads([self._there(ref) for ref in refs])

        def looked_at(ref: SecretRef) -> SecretHead | None:
            head = found(self._there(ref))
            return replace(head, ref=ref) if head else None

        return looked_at

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        found = self._inner.select(self._names.get(namespace, namespace), selector)
        return tuple(SecretRef(namespace=namespace, name=ref.name) for ref in found)

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        return self._inner.create(self._there(ref), content)

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        return self._inner.update(self._there(ref), content, expected)

    def delete(self, ref: SecretRef, expected: str) -> None:
        self._inner.delete(self._there(ref), expected)

    # --- what others do ----------------------------------------------------------------------------------------

    def put(self, ref: SecretRef, data: Mapping[str, bytes], labels: Mapping[str, str]) -> None:
        """Somebody writes it as a whole, unconditionally."""
        there = self._there(ref)
        metadata = {"name": there.name, "labels": dict(labels)}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded(data)}
        try:
            self._cluster.admin.put(secret_path(there.namespace, there.name), body)
        except ApiError as refused:
            if refused.status != 404:
                raise
            self._cluster.admin.post(secret_path(there.namespace), body)

    def drift(self, ref: SecretRef, key: str, raw: bytes) -> None:
        """Somebody changes one key."""
        there = self._there(ref)
        self._cluster.admin.patch(secret_path(there.namespace, there.name), {"data": encoded({key: raw})})

    def remove(self, ref: SecretRef) -> None:
        there = self._there(ref)
        with contextlib.suppress(ApiError):
            self._cluster.admin.delete(secret_path(there.namespace, there.name))

    def _there(self, ref: SecretRef) -> SecretRef:
        return SecretRef(namespace=self._names.get(ref.namespace, ref.namespace), name=ref.name)


def encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(raw).decode() for key, raw in data.items()}
