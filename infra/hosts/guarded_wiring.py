"""The wiring of an existing authority: a store manifest may only name servers that the operator allows."""

from collections.abc import Collection
from pathlib import Path

from events.references import ManifestRef
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from infra.wiring.directory import WiringDirectory


class GuardedWiring(WiringDirectory):
    """Manifests whose store names another server may not act: their values would end up elsewhere than they say.

    `servers` None: the embedded authority, where `server` changes nothing and is only noticed.
    """

    def __init__(self, root: Path, policy: ConventionPolicy, servers: Collection[str] | None) -> None:
        super().__init__(root, policy)
        self._servers = None if servers is None else {server.rstrip("/") for server in servers}

    def problem(self, ref: ManifestRef) -> str | None:
        found = super().problem(ref)
        if found or self._servers is None:
            return found
        for name in _stores(self.push_secret(ref) or self.external_secret(ref)):
            store = self.snapshot().stores.get(name)
            vault = store.spec.provider.vault if store else None
            if vault is not None and vault.server and vault.server.rstrip("/") not in self._servers:
                return (
                    f"ClusterSecretStore {name!r} names server {vault.server!r}, which the operator does not allow; "
                    "correct it, or add it to authority.allowedServers in lockstep.yaml"
                )
        return None


def _stores(manifest: PushSecret | ExternalSecret | None) -> tuple[str, ...]:
    if isinstance(manifest, PushSecret):
        return manifest.stores
    return (manifest.store,) if manifest is not None and manifest.store else ()
