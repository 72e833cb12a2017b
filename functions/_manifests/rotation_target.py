"""RotationTarget `lockstep.dev/v1alpha1`: a system whose credentials are rotated. The platform's, never a tenant's.

It is read from outside the wiring (`ROOT/targets/`, a cluster-scoped resource), names the credential that may change
accounts there, and lists who may have which accounts changed.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from events.references import PathRef
from functions._manifests.paths import MountOf, mount, remote_path
from functions._manifests.rotation import AccountName, StoreReference
from functions._manifests.shape import Duration, Manifest, Shape

AccountGlob = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]


class AdminCredential(Shape):
    """Where the credential that may change accounts stands: a path of the authority that no wiring leads to."""

    secret_store_ref: StoreReference | None = None
    mount: str | None = Field(default=None, min_length=1, max_length=512)
    remote_key: str = Field(min_length=1)
    properties: dict[str, str] = Field(default_factory=dict)  # field -> property

    def path(self, mount_of: MountOf) -> PathRef:
        """The path. Raises Reject with what to mend."""
        if self.mount is not None:
            return remote_path(self.mount, self.remote_key)
        store = self.secret_store_ref
        name, kind = (store.name, store.kind) if store is not None else ("", "")
        return remote_path(mount(name, kind, mount_of), self.remote_key)


class Allowance(Shape):
    """Namespaces, and the accounts whose credentials they may have changed. Globs with `*`."""

    namespaces: tuple[str, ...] = Field(min_length=1)
    accounts: tuple[AccountGlob, ...] = Field(min_length=1)

    def admits(self, namespace: str, account: str) -> bool:
        return any(fnmatchcase(namespace, one) for one in self.namespaces) and any(
            fnmatchcase(account, one) for one in self.accounts
        )


class Limits(Shape):
    """Storm control: rotations under way at once; failures in a row that open the breaker, and for how long."""

    concurrent: int = Field(default=2, ge=1, le=1000)
    breaker_failures: int = Field(default=3, ge=1, le=1000)
    breaker_pause: Duration = 600.0


class RotationTargetSpec(Shape):
    """`type` names the module of infra/targets that speaks to it; `parameters` are that module's, checked by it."""

    type: Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")]
    parameters: dict[str, Any] = Field(default_factory=dict)
    admin: AdminCredential | None = None
    allow: tuple[Allowance, ...] = ()
    limits: Limits = Field(default_factory=Limits)


class RotationTarget(Manifest):
    """A declared system."""

    KIND: ClassVar[str] = "RotationTarget"
    NAMESPACED: ClassVar[bool] = False

    api_version: Literal["lockstep.dev/v1alpha1"]
    kind: Literal["RotationTarget"]
    spec: RotationTargetSpec

    def refusal(self, namespace: str, accounts: tuple[AccountName, ...]) -> str | None:
        """Why a namespace may not have these accounts changed, None where it may."""
        for account in accounts:
            if not any(one.admits(namespace, account) for one in self.spec.allow):
                return (
                    f"RotationTarget {self.name!r} does not let namespace {namespace!r} change account {account!r}; "
                    "its spec.allow lists who may"
                )
        return None
