"""The declared systems: manifests RotationTarget, opened with the admin credential that the authority holds now."""

from collections.abc import Callable

from functions._failures import Reject
from functions._manifests.paths import MountOf
from functions._manifests.rotation_target import RotationTarget
from functions._ports import Authority, Beside
from functions._systems import System
from functions._values import SecretData
from infra.targets.opening import Calls, Opening, ReadAdmin, one_by_one
from infra.targets.registry import open_target

Declared = Callable[[str], RotationTarget | None]
"""The manifest of a name as it is now; None where there is none."""


class DeclaredSystems:
    """`Systems` over manifests. Nothing is kept between two `open`: a changed manifest counts from the next one on."""

    def __init__(
        self, declared: Declared, read_admin: ReadAdmin, authority: Calls | None = None, beside: Beside = one_by_one
    ) -> None:
        self._declared = declared
        self._read_admin = read_admin
        self._authority = authority
        self._beside = beside

    def declared(self, name: str) -> RotationTarget | None:
        return self._declared(name)

    def open(self, name: str) -> System:
        target = self._declared(name)
        if target is None:
            raise Reject(f"RotationTarget {name!r} is not declared; the platform adds its manifest")
        return open_target(Opening(target, self._read_admin, self._authority, self._beside))


def admin_reader(authority: Authority, mount_of: MountOf) -> ReadAdmin:
    """Reads `spec.admin` at the authority whenever it is asked: properties under their own names, and those that
    `admin.properties` maps under their fields' names."""

    def read(target: RotationTarget) -> SecretData:
        admin = target.spec.admin
        if admin is None:
            raise Reject(f"RotationTarget {target.name!r} has no spec.admin; name the path of its admin credential")
        path = admin.path(mount_of)
        stored = authority.read(path)
        if stored is None or stored.data is None:
            raise Reject(f"the admin credential of RotationTarget {target.name!r} is not at {path}; write it there")
        missing = sorted(set(admin.properties.values()) - set(stored.data))
        if missing:
            raise Reject(f"{path} has no property {', '.join(map(repr, missing))}, which spec.admin.properties names")
        return {**stored.data, **{field: stored.data[name] for field, name in admin.properties.items()}}

    return read


def no_admin(target: RotationTarget) -> SecretData:
    """For hosts of steps that only log in: they have no right to any admin credential."""
    raise Reject(f"this step does not act as admin of RotationTarget {target.name!r}")
