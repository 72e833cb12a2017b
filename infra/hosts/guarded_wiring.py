"""The wiring of an existing authority: a store manifest may only name servers that the operator allows."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from events.references import ManifestRef
from functions._failures import Reject
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.reserved import OWN_MOUNTS, reserved_mount
from infra.wiring.directory import WiringDirectory
from infra.wiring.index import Index

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without it
    from functions._manifests.rotation_target import RotationTarget


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


class AdminGuard:
    """Why a manifest may not act: it reads what a declared system's administrator logs in with.

    Whoever has that could have any account of the system. Publishing and rotating such a path is the platform's to
    allow, by the access policy.
    """

    def __init__(self, declared: "Callable[[], tuple[RotationTarget, ...]]") -> None:
        """`declared` answers with the same object as long as nothing changes."""
        self._declared = declared
        self._known: tuple[object, object, dict[ManifestRef, str]] = (None, None, {})

    def __call__(self, index: Index, ref: ManifestRef) -> str | None:
        declared, known = self._declared(), self._known
        if known[0] is not index or known[1] is not declared:
            known = (index, declared, dict(_readers_of_admins(index, declared)))
            self._known = known
        return known[2].get(ref)


def _readers_of_admins(index: Index, declared: "Iterable[RotationTarget]") -> Iterator[tuple[ManifestRef, str]]:
    for target in declared:
        if target.spec.admin is None:
            continue
        try:
            path = target.spec.admin.path(index.mount)
        except Reject:
            continue  # a store that is not there: nobody can read it either
        for consumer in index.consumers_of_path(path):
            reason = f"{path} is the admin credential of RotationTarget {target.name!r}, which nobody consumes"
            yield consumer.ref, f"{reason}; read the credential of an account instead"


class GuardedWiring(WiringDirectory):
    """Manifests whose store the guard refuses may not act, nor those that read an administrator's credential."""

    def __init__(
        self, root: Path, policy: ConventionPolicy, servers: Collection[str] | None, own: Collection[str] = OWN_MOUNTS,
        declared: "Callable[[], tuple[RotationTarget, ...]]" = tuple,
    ) -> None:  # fmt: skip
        super().__init__(root, policy)
        self._admins = AdminGuard(declared)
        self._guard = StoreGuard(servers, own)
        self._judged: tuple[object, dict[ManifestRef, str | None]] = (None, {})

    def problem(self, ref: ManifestRef) -> str | None:
        index = self.snapshot()
        return index.problem(ref) or self._admins(index, ref) or self._refused(index, ref)

    def _refused(self, index: Index, ref: ManifestRef) -> str | None:
        """Why its stores may not be used: found out once for each snapshot, and asked with every event."""
        judged = self._judged
        if judged[0] is not index:
            judged = self._judged = (index, {})
        if ref not in judged[1]:
            manifest = index.push_secret(ref) or index.external_secret(ref) or index.rotation(ref)
            if manifest is None:
                return None
            stores = (index.stores.get(name) for name in manifest.stores)
            reasons = (self._guard(store) for store in stores if store is not None)
            judged[1][ref] = next(filter(None, reasons), None)
        return judged[1][ref]
