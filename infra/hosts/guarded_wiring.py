"""The wiring of an existing authority: a store manifest may only name servers that the operator allows."""

from collections.abc import Collection
from pathlib import Path

from events.references import ManifestRef
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.reserved import OWN_MOUNTS, reserved_mount
from infra.wiring.directory import WiringDirectory


class StoreGuard:
    """Why a store may not be used at all. Values would end up elsewhere than its manifest says, or over our own.

    `servers` None: the embedded authority, where `server` changes nothing and is only noticed. `own`: the mounts
    that this Lockstep keeps its documents and key in, which no store may name.
    """

    def __init__(self, servers: Collection[str] | None, own: Collection[str] = OWN_MOUNTS) -> None:
        self._own = tuple(own)
        self._servers = None if servers is None else {server.rstrip("/") for server in servers}

    def __call__(self, store: ClusterSecretStore) -> str | None:
        if store.mount and (reason := reserved_mount(store.mount, self._own)):
            return f"ClusterSecretStore {store.name!r} {reason}"
        vault = store.spec.provider.vault
        if self._servers is None or vault is None or not vault.server or vault.server.rstrip("/") in self._servers:
            return None
        return (
            f"ClusterSecretStore {store.name!r} names server {vault.server!r}, which the operator does not allow; "
            "correct it, or add it to authority.allowedServers in lockstep.yaml"
        )


class GuardedWiring(WiringDirectory):
    """Manifests whose store the guard refuses may not act."""

    def __init__(
        self, root: Path, policy: ConventionPolicy, servers: Collection[str] | None, own: Collection[str] = OWN_MOUNTS
    ) -> None:
        super().__init__(root, policy)
        self._guard = StoreGuard(servers, own)

    def problem(self, ref: ManifestRef) -> str | None:
        found = super().problem(ref)
        if found:
            return found
        for name in _stores(self.push_secret(ref) or self.external_secret(ref)):
            store = self.snapshot().stores.get(name)
            if store is not None and (reason := self._guard(store)):
                return reason
        return None


def _stores(manifest: PushSecret | ExternalSecret | None) -> tuple[str, ...]:
    return manifest.stores if manifest is not None else ()
