"""ClusterSecretStore `external-secrets.io/v1`: which mount of the authority manifests mean, and who may use it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from events.references import PathSegments
from functions._failures import Reject
from functions._manifests.rare import StoreCondition
from functions._manifests.reserved import reserved_mount
from functions._manifests.shape import Manifest, Shape

# Beside another controller of the same manifests: who writes what the store's manifests ask.
Mode = Literal["observe", "assist", "own"]
CONTROLLER = "lockstep"  # spec.controller: every other controller leaves the store alone
MODE = "lockstep.dev/mode"  # annotation


class CheckAndSet(Shape):
    """Whether the mount refuses writes without CAS. Lockstep always writes with CAS."""

    required: bool = False


class VaultProvider(Shape):
    """A KV mount. Where the operator chose the server and the identities, only path, version and namespace count."""

    server: str = ""
    path: PathSegments = "secret"
    version: Literal["v1", "v2"] = "v2"
    namespace: PathSegments | None = None
    auth: dict[str, Any] | None = Field(default=None, repr=False)
    ca_bundle: str | None = Field(default=None, repr=False)
    ca_provider: dict[str, Any] | None = None
    check_and_set: CheckAndSet = Field(default_factory=CheckAndSet.model_construct)  # as an ExternalSecret's target
    read_your_writes: bool = False
    forward_inconsistent: bool = False
    headers: dict[str, str] | None = Field(default=None, repr=False)
    tls: dict[str, Any] | None = Field(default=None, repr=False)


class Provider(Shape):
    """Exactly one technology. Others than Vault are recognised, and belong to whoever serves them."""

    model_config = ConfigDict(extra="allow")

    vault: VaultProvider | None = None

    @model_validator(mode="after")
    def _one(self) -> "Provider":
        if (self.vault is not None) + len(self.model_extra or {}) != 1:
            raise ValueError("names exactly one provider")
        return self

    @property
    def technology(self) -> str:
        return "vault" if self.vault else next(iter(self.model_extra or {}))


class ClusterSecretStoreSpec(Shape):
    """`controller` chooses one of several controllers in ESO; here it changes nothing."""

    controller: str = ""
    provider: Provider
    conditions: tuple[StoreCondition, ...] = ()
    refresh_interval: int = 0
    retry_settings: dict[str, Any] | None = None


class ClusterSecretStore(Manifest):
    """A name for a mount of the authority."""

    KIND: ClassVar[str] = "ClusterSecretStore"
    NAMESPACED: ClassVar[bool] = False

    api_version: Literal["external-secrets.io/v1"]
    kind: Literal["ClusterSecretStore"]
    spec: ClusterSecretStoreSpec

    @property
    def mount(self) -> str | None:
        """The canonical mount `<namespace>/<path>`; None for a reserved one, or another provider than KV version 2."""
        return None if self._named is None or self.reserved else self._named

    @property
    def reserved(self) -> str | None:
        """Why what it names may not be named by any manifest, None where it may."""
        return None if self._named is None else reserved_mount(self._named)

    @property
    def _named(self) -> str | None:
        vault = self.spec.provider.vault
        if vault is None or vault.version != "v2":
            return None
        return f"{vault.namespace}/{vault.path}" if vault.namespace else vault.path

    @property
    def notices(self) -> tuple[str, ...]:
        """What the manifest says and the embedded default does not follow, one sentence each."""
        vault = self.spec.provider.vault
        if vault is None:
            return (f"provider {self.spec.provider.technology} is not served here; its secrets are left alone",)
        ignored = [
            ("server", vault.server),
            ("auth", vault.auth),
            ("caBundle", vault.ca_bundle),
            ("caProvider", vault.ca_provider),
            ("headers", vault.headers),
            ("tls", vault.tls),
        ]
        notices = [f"spec.provider.vault.{name} is ignored: the operator chose it" for name, value in ignored if value]
        if self.spec.controller:
            notices.append("spec.controller is ignored")
        if vault.version == "v1":
            notices.append("version v1 has no versions to compare and set; use a KV version 2 mount")
        return tuple(notices)

    @property
    def mode(self) -> Mode:
        """Who writes, beside another controller: us alone (`own`), or that one, which we hasten (`assist`) or not.

        Only `spec.controller: lockstep` makes the others leave the store alone, so only it makes us write.
        """
        if self.spec.controller == CONTROLLER:
            return "own"
        return "assist" if self.annotations.get(MODE) == "assist" else "observe"

    def refusal(self, namespace: str, labels: Mapping[str, str] | None = None) -> str | None:
        """Why this namespace may not use the store, None when it may. `labels` are its own, where they are known."""
        try:
            if not self.spec.conditions or any(each.admits(namespace, labels) for each in self.spec.conditions):
                return None
        except Reject as reject:
            return f"ClusterSecretStore {self.name!r} {reject.reason}"
        return f"ClusterSecretStore {self.name!r} does not admit namespace {namespace!r}; see its spec.conditions"
