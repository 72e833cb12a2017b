"""PushSecret `external-secrets.io/v1alpha1`: a source Secret's keys, published at paths of the authority."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from events.references import ObjectName, PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.paths import CLUSTER_STORE, MountOf, mount, remote_path
from functions._manifests.rare import GeneratorRef, LabelSelector, SecretTemplate
from functions._manifests.shape import Duration, Manifest, Shape


class PushStoreRef(Shape):
    """A store by name or by label; the kind defaults to SecretStore, as in ESO."""

    name: str = ""
    label_selector: LabelSelector | None = None
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"


class SecretSelector(Shape):
    """The source Secrets, in the PushSecret's own namespace: one by name, or those whose labels match."""

    name: ObjectName | None = None
    selector: LabelSelector | None = None


class PushSelector(Shape):
    """What is pushed. With a `generatorRef` (not supported) `secret` selects nothing."""

    secret: SecretSelector = Field(default_factory=SecretSelector)
    generator_ref: GeneratorRef | None = None

    @model_validator(mode="after")
    def _one(self) -> "PushSelector":
        if [self.secret.name, self.secret.selector, self.generator_ref].count(None) != 2:
            raise ValueError("names exactly one of secret.name, secret.selector and generatorRef")
        return self


class PushRemoteRef(Shape):
    """Where a key goes: `remote_key` without the mount; "" as `property` means the whole document."""

    remote_key: str = Field(min_length=1)
    property: str = ""


class PushMatch(Shape):
    """One key of the source (or of the template's result); "" means the whole Secret, which is refused."""

    secret_key: str = ""
    remote_ref: PushRemoteRef


class PushData(Shape):
    """One entry of `data`. `metadata` is for other providers and is not used with Vault."""

    match: PushMatch
    metadata: Any = None
    conversion_strategy: Literal["None", "ReverseUnicode"] = "None"


class PushSecretSpec(Shape):
    """`dataTo` is recognised, so that it can be refused by name."""

    refresh_interval: Duration = 3600.0
    update_policy: Literal["Replace", "IfNotExists"] = "Replace"
    deletion_policy: Literal["None", "Delete"] = "None"
    secret_store_refs: tuple[PushStoreRef, ...]
    selector: PushSelector
    template: SecretTemplate | None = None
    data: tuple[PushData, ...] = ()
    data_to: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PushEntry:
    """One key of one write. `property` "": the value is a JSON object and is the whole document."""

    secret_key: str
    property: str
    conversion: Literal["None", "ReverseUnicode"] = "None"


class PushSecret(Manifest):
    """A producer's declaration. Methods that resolve stores and paths raise Reject with what to mend."""

    KIND: ClassVar[str] = "PushSecret"

    api_version: Literal["external-secrets.io/v1alpha1"]
    kind: Literal["PushSecret"]
    spec: PushSecretSpec

    @property
    def source(self) -> SecretRef | None:
        """The source that it names; None where it selects by label."""
        name = self.spec.selector.secret.name
        return SecretRef(namespace=self.namespace, name=name) if name else None

    @property
    def stores(self) -> tuple[str, ...]:
        """The ClusterSecretStores that it names."""
        return tuple(ref.name for ref in self.spec.secret_store_refs if ref.kind == CLUSTER_STORE and ref.name)

    def entries(self, mount_of: MountOf) -> dict[PathRef, tuple[PushEntry, ...]]:
        """What is written, grouped into one write per path, in the manifest's order. Raises Reject.

        Refused as a whole, so that no path is ever written with a part of its keys: a store that is no wired
        ClusterSecretStore, a key that is no path, an entry without `secretKey`, two entries for one property.
        """
        grouped: dict[PathRef, list[PushEntry]] = {}
        for mount_name in self._mounts(mount_of):
            for item in self.spec.data:
                path = remote_path(mount_name, item.match.remote_ref.remote_key)
                _add(grouped.setdefault(path, []), _entry(item), path)
        return {path: tuple(found) for path, found in grouped.items()}

    def _mounts(self, mount_of: MountOf) -> tuple[str, ...]:
        if not self.spec.secret_store_refs:
            raise Reject("names no store; name a ClusterSecretStore in secretStoreRefs")
        mounts = []
        for ref in self.spec.secret_store_refs:
            if not ref.name or ref.label_selector is not None:
                raise Reject("selects its store by label; name the ClusterSecretStore instead")
            mounts.append(mount(ref.name, ref.kind, mount_of))
        return tuple(dict.fromkeys(mounts))


def _entry(item: PushData) -> PushEntry:
    match = item.match
    if not match.secret_key:
        raise Reject(
            f"pushes a whole Secret to {match.remote_ref.remote_key!r}; give every entry a secretKey (seed 001, 5a.3.2)"
        )
    return PushEntry(match.secret_key, match.remote_ref.property, item.conversion_strategy)


def _add(entries: list[PushEntry], entry: PushEntry, path: PathRef) -> None:
    for other in entries:
        if other.property == entry.property:
            raise Reject(f"writes property {entry.property!r} of {path} twice; keep one entry")
        if not other.property or not entry.property:
            raise Reject(f"writes {path} both as a whole and by property; use properties only")
    entries.append(entry)
