"""From a folder of manifests to what runs in a cluster: shared by `lockstep manifests` and the drift check."""

from dataclasses import dataclass
from pathlib import Path

from events.schedule import ScheduleTicked
from infra.deploy.manifests import rendering
from infra.deploy.manifests.installation import Installation
from infra.deploy.vault_policies import Mounts
from infra.deploy.wired import Wired, wired
from infra.hosts.admitting import SOURCES
from infra.hosts.configuration import Configuration
from infra.hosts.guarded_wiring import GuardedWiring
from infra.hosts.wiring import convention_policy, own_mounts


@dataclass(frozen=True, slots=True)
class KnownWiring:
    """What a folder wires. `unread` and `left_out` say which files and manifests count for nothing, and why."""

    wired: Wired
    unread: tuple[str, ...]
    left_out: tuple[str, ...]


def wiring_of(folder: Path, configuration: Configuration, former: Path | None = None) -> KnownWiring:
    """Read a folder. A manifest that may not act gets no permission: it could name what is not its own."""
    now = _read(folder, configuration)
    before = _read(former, configuration) if former else None
    index = now.snapshot()
    found = wired(index, before.snapshot() if before else None, lambda ref: not now.problem(ref))
    refused = {ref: now.problem(ref) for ref in index.generations()}
    return KnownWiring(
        found,
        tuple(str(finding) for finding in index.findings if finding.severity == "error"),
        tuple(f"{ref} may not act and gets no permission: {reason}" for ref, reason in refused.items() if reason),
    )


def rendered(wiring: Wired, installation: Installation, configuration: Configuration) -> dict[str, str]:
    """The files of an installation: relative path -> text."""
    mounts = Mounts(documents=configuration.authority.claims_mount, transit=configuration.authority.transit_mount)
    told = {kind for kinds in SOURCES.values() for kind in kinds} - {ScheduleTicked.TYPE}
    return rendering.render(wiring, installation, told, mounts)


def _read(folder: Path, configuration: Configuration) -> GuardedWiring:
    """Any server: which one a store may name is decided where its authority is known."""
    wiring = GuardedWiring(folder, convention_policy(configuration), None, own_mounts(configuration))
    wiring.reload()
    return wiring
