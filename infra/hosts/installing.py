"""From a folder of manifests to what runs in a cluster: shared by `lockstep manifests` and the drift check."""

from dataclasses import dataclass
from pathlib import Path

from infra.deploy.manifests import rendering
from infra.deploy.manifests.installation import Installation
from infra.deploy.vault_policies import Mounts
from infra.deploy.wired import Wired, wired
from infra.hosts.admitting import SOURCES
from infra.hosts.configuration import Configuration
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.wiring import convention_policy, own_mounts
from infra.wiring.targets import TargetFolder


@dataclass(frozen=True, slots=True)
class KnownWiring:
    """What a folder wires. `unread` and `left_out` say which files and manifests count for nothing, and why."""

    wired: Wired
    unread: tuple[str, ...]
    left_out: tuple[str, ...]


def wiring_of(folder: Path, configuration: Configuration, former: Path | None = None) -> KnownWiring:
    """Read a folder, and the RotationTargets in the folder `targets` beside it.

    A manifest that may not act gets no permission: it could name what is not its own.
    """
    targets = TargetFolder(folder.absolute().parent / "targets")
    unusable = targets.reload()
    now = _read(folder, configuration)
    before = _read(former, configuration) if former else None
    index = now.snapshot()
    found = wired(
        index, before.snapshot() if before else None, lambda ref: not now.problem(ref), declared=targets.all()
    )
    refused = {ref: now.problem(ref) for ref in index.generations()}
    return KnownWiring(
        found,
        (*(str(finding) for finding in index.findings if finding.severity == "error"), *unusable),
        tuple(f"{ref} may not act and gets no permission: {reason}" for ref, reason in refused.items() if reason),
    )


def rendered(wiring: Wired, installation: Installation, configuration: Configuration) -> dict[str, str]:
    """The files of an installation: relative path -> text."""
    authority = configuration.authority
    mounts = Mounts(documents=authority.claims_mount, transit=authority.transit_mount, cluster=installation.cluster)
    told = {kind for kinds in SOURCES.values() for kind in kinds}  # ticks too: a gap is followed by a sweep
    return rendering.render(wiring, installation, told, mounts)


def _read(folder: Path, configuration: Configuration) -> GuardedWiring:
    """Any server: which one a store may name is decided where its authority is known."""
    wiring = GuardedWiring(folder, convention_policy(configuration), None, own_mounts(configuration))
    wiring.reload()
    return wiring
