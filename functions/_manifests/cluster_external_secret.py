"""ClusterExternalSecret `external-secrets.io/v1`: one ExternalSecret for every namespace that it selects."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from events.references import NamespaceName, ObjectName
from functions._manifests.external_secret import ExternalSecret, ExternalSecretSpec
from functions._manifests.selector import NAME_LABEL, LabelSelector
from functions._manifests.shape import Duration, Manifest, Metadata, Shape


class ExternalSecretMetadata(Shape):
    """Labels and annotations of the ExternalSecrets."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ClusterExternalSecretSpec(Shape):
    """Namespaces by name or by label, ORed. `refresh_time` sets no pace here: changes are followed."""

    external_secret_spec: ExternalSecretSpec
    external_secret_name: ObjectName | None = None
    external_secret_metadata: ExternalSecretMetadata = Field(default_factory=ExternalSecretMetadata)
    namespace_selector: LabelSelector | None = None
    namespace_selectors: tuple[LabelSelector, ...] = ()
    namespaces: tuple[NamespaceName, ...] = ()
    refresh_time: Duration = 0.0


class ClusterExternalSecret(Manifest):
    """A template of ExternalSecrets."""

    KIND: ClassVar[str] = "ClusterExternalSecret"
    NAMESPACED: ClassVar[bool] = False

    api_version: Literal["external-secrets.io/v1"]
    kind: Literal["ClusterExternalSecret"]
    spec: ClusterExternalSecretSpec

    def expand(self, namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[ExternalSecret]:
        """The ExternalSecrets that it stands for among these namespaces (with their labels), ordered.

        Their uid is empty: none of them is an object of the cluster.
        """
        metadata = self.spec.external_secret_metadata
        for namespace in sorted(namespaces):
            if self._selects(namespace, namespaces[namespace]):
                yield ExternalSecret(
                    api_version="external-secrets.io/v1",
                    kind="ExternalSecret",
                    metadata=Metadata(
                        name=self.spec.external_secret_name or self.name,
                        namespace=namespace,
                        labels=metadata.labels,
                        annotations=metadata.annotations,
                    ),
                    spec=self.spec.external_secret_spec,
                )

    def _selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        if namespace in self.spec.namespaces:
            return True
        first = self.spec.namespace_selector
        selectors = (*((first,) if first is not None else ()), *self.spec.namespace_selectors)
        return any(selector.matches({NAME_LABEL: namespace, **labels}) for selector in selectors)
