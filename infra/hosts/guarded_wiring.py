"""The wiring of an existing authority: a store manifest may only name servers that the operator allows."""

from collections.abc import Collection
from pathlib import Path

from events.references import ManifestRef
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.reserved import OWN_MOUNTS, reserved_mount
from infra.wiring.directory import WiringDirectory


class GuardedWiring(WiringDirectory):
    """Manifests whose store names another server may not act: their values would end up elsewhere than they say.

    `servers` None: the embedded authority, where `server` changes nothing and is only noticed. `own`: the mounts
    that this Lockstep keeps its documents and key in, which no store may name.
    """

    def __init__(
        self, root: Path, policy: ConventionPolicy, servers: Collection[str] | None, own: Collection[str] = OWN_MOUNTS
    ) -> None:
        super().__init__(root, policy)
        self._own = tuple(own)
        self._servers = None if servers is None else {server.rstrip("/") for server in servers}

    def problem(self, ref: ManifestRef) -> str | None:
        found = super().problem(ref)
        if found:
            return found
        for name in _stores(self.push_secret(ref) or self.external_secret(ref)):
            store = self.snapshot().stores.get(name)
            if store is not None and store.mount and (reason := reserved_mount(store.mount, self._own)):
                return f"ClusterSecretStore {name!r} {reason}"
            vault = store.spec.provider.vault if store else None
            if (
                self._servers is not None
                and vault is not None
                and vault.server
                and vault.server.rstrip("/") not in self._servers
            ):
                return (
                    f"ClusterSecretStore {name!r} names server {vault.server!r}, which the operator does not allow; "
                    "correct it, or add it to authority.allowedServers in lockstep.yaml"
                )
        return None


def _stores(manifest: PushSecret | ExternalSecret | None) -> tuple[str, ...]:
    return manifest.stores if manifest is not None else ()
