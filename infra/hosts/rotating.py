"""The declared systems as one step may use them: as their admin, or by logging in with what is rotated."""

from collections.abc import Callable

from functions._capability import Capability
from functions._manifests.paths import MountOf
from functions._manifests.rotation_target import RotationTarget
from functions._ports import Beside
from functions._step import Step
from functions._systems import Systems
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.client import VaultClient
from infra.stores.vault.kv import KvEngine
from infra.targets.declared import DeclaredSystems, admin_reader, no_admin

Declared = Callable[[str], RotationTarget | None]
_ADMIN = frozenset({Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE})


def systems_of(step: Step, client: VaultClient, declared: Declared, mount_of: MountOf, beside: Beside) -> Systems:
    """Admin credentials are read at the time of use, with the step's own client; who only logs in reads none."""
    if not step.needs & _ADMIN:
        return DeclaredSystems(declared, no_admin, client, beside)
    return DeclaredSystems(declared, admin_reader(VaultAuthority(KvEngine(client)), mount_of), client, beside)
