"""ExternalSecret `external-secrets.io/v1`: a consumer's Secret, made from paths of the authority."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field, StrictBool, model_validator

from events.references import ObjectName, PathRef, SecretRef
from functions._failures import Reject
from functions._manifests.expression import compile_expression
from functions._manifests.paths import MountOf, mount, remote_path
from functions._manifests.rare import Find, GeneratorRef, Rewrite, SecretTemplate
from functions._manifests.shape import Conversion, Decoding, Duration, Manifest, Shape

CreationPolicy = Literal["Owner", "Orphan", "Merge", "CreateOrMerge", "None"]


class StoreRef(Shape):
    """A store by name; the kind defaults to SecretStore, as in ESO."""

    name: str = Field(min_length=1)
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"


class DataSource(Shape):
    """Another store for one entry, or (recognised, refused) a generator."""

    store_ref: StoreRef | None = None
    generator_ref: GeneratorRef | None = None


class RemoteRef(Shape):
    """What is read: `key` without the mount, "" as `property` for the whole document, "" as version for the newest."""

    key: str = Field(min_length=1)
    property: str = ""
    version: str = Field(default="", max_length=128)
    metadata_policy: Literal["None", "Fetch"] = "None"
    conversion_strategy: Conversion = "Default"
    decoding_strategy: Decoding = "None"


class ExternalData(Shape):
    """One key of the target."""

    secret_key: str = Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")
    remote_ref: RemoteRef
    source_ref: DataSource | None = None


class DataFrom(Shape):
    """Many keys at once: `extract` all properties of one path, or `find` paths."""

    extract: RemoteRef | None = None
    find: Find | None = None
    source_ref: DataSource | None = None
    rewrite: tuple[Rewrite, ...] = ()

    @model_validator(mode="after")
    def _one(self) -> "DataFrom":
        generator = self.source_ref.generator_ref if self.source_ref else None
        if [self.extract, self.find, generator].count(None) != 2:
            raise ValueError("is exactly one of extract, find and sourceRef.generatorRef")
        return self


class Target(Shape):
    """The Secret that is made; its name defaults to the ExternalSecret's."""

    name: ObjectName | None = None
    creation_policy: CreationPolicy = "Owner"
    deletion_policy: Literal["Retain", "Delete", "Merge"] = "Retain"
    immutable: StrictBool = False
    template: SecretTemplate | None = None


class ExternalSecretSpec(Shape):
    """`refresh_interval` is in seconds; 0 means once, unless the policy says otherwise."""

    secret_store_ref: StoreRef | None = None
    refresh_policy: Literal["Periodic", "OnChange", "CreatedOnce"] = "Periodic"
    refresh_interval: Duration = 3600.0
    target: Target = Field(default_factory=Target.model_construct)  # what is all defaults needs no validator
    data: tuple[ExternalData, ...] = ()
    data_from: tuple[DataFrom, ...] = ()


@dataclass(frozen=True, slots=True)
class PathSearch:
    """A `find`: the paths of `mount` below `prefix` in which `regexp` is found. `prefix` has no closing slash."""

    mount: str
    prefix: str
    regexp: str
    tags: tuple[tuple[str, str], ...] = ()

    def matches(self, path: PathRef) -> bool:
        """Whether it finds this path, tags aside. Raises Reject for an expression that is not RE2."""
        if path.mount != self.mount or (self.prefix and not path.path.startswith(self.prefix + "/")):
            return False
        return not self.regexp or compile_expression(self.regexp).search(path.path) is not None


class ExternalSecret(Manifest):
    """A consumer's declaration. Methods that resolve stores and paths raise Reject with what to mend."""

    KIND: ClassVar[str] = "ExternalSecret"

    api_version: Literal["external-secrets.io/v1"]
    kind: Literal["ExternalSecret"]
    spec: ExternalSecretSpec

    @cached_property
    def target(self) -> SecretRef:
        return SecretRef(namespace=self.namespace, name=self.spec.target.name or self.name)

    @property
    def store(self) -> str:
        """The store's name, "" where only its entries name stores."""
        return self.spec.secret_store_ref.name if self.spec.secret_store_ref else ""

    @property
    def stores(self) -> tuple[str, ...]:
        """The names of all stores that it reads from, its entries' own included, each once."""
        return tuple(dict.fromkeys(ref.name for ref in self.store_refs))

    @property
    def store_refs(self) -> tuple[StoreRef, ...]:
        """Every reference to a store, its entries' own included."""
        sources = [*(item.source_ref for item in self.spec.data), *(item.source_ref for item in self.spec.data_from)]
        named = (self.spec.secret_store_ref, *(source.store_ref for source in sources if source))
        return tuple(ref for ref in named if ref)

    def data_path(self, item: ExternalData, mount_of: MountOf) -> PathRef:
        """The path that an entry of `data` reads. Raises Reject."""
        return remote_path(self._mount(item.source_ref, mount_of), item.remote_ref.key)

    def extract_path(self, item: DataFrom, mount_of: MountOf) -> PathRef | None:
        """The path that an entry of `dataFrom` extracts; None for one that finds. Raises Reject."""
        if item.extract is None:
            return None
        return remote_path(self._mount(item.source_ref, mount_of), item.extract.key)

    def search(self, item: DataFrom, mount_of: MountOf) -> PathSearch | None:
        """The search that an entry of `dataFrom` makes; None for one that extracts. Raises Reject."""
        if item.find is None:
            return None
        mount_name = self._mount(item.source_ref, mount_of)
        prefix = item.find.path.strip("/")
        if prefix:
            remote_path(mount_name, prefix)
        regexp = item.find.name.regexp if item.find.name else ""
        if regexp:
            compile_expression(regexp)
        return PathSearch(mount_name, prefix, regexp, tuple(sorted(item.find.tags.items())))

    def paths(self, mount_of: MountOf) -> tuple[PathRef, ...]:
        """The paths that it names, each once, in the manifest's order. Raises Reject."""
        found: dict[PathRef, Any] = {}
        for item in self.spec.data:
            found[self.data_path(item, mount_of)] = None
        for source in self.spec.data_from:
            path = self.extract_path(source, mount_of)
            if path is not None:
                found[path] = None
        return tuple(found)

    def finds(self, mount_of: MountOf) -> tuple[PathSearch, ...]:
        """The searches that it makes, in the manifest's order. Raises Reject."""
        searches = (self.search(item, mount_of) for item in self.spec.data_from)
        return tuple(search for search in searches if search is not None)

    def _mount(self, source: DataSource | None, mount_of: MountOf) -> str:
        if source is not None and source.generator_ref is not None:
            raise Reject(f"uses generator {source.generator_ref.kind}; generators are not supported here")
        ref = (source.store_ref if source else None) or self.spec.secret_store_ref
        if ref is None:
            raise Reject("names no store; name a ClusterSecretStore in secretStoreRef")
        return mount(ref.name, ref.kind, mount_of)
