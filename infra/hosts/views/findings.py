"""What is wrong with the wiring as a whole: what the snapshot found, and what cannot be followed at this moment."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from infra.hosts.platform import SnapshotWiring
from infra.wiring.finding import Finding


@runtime_checkable
class Followed(Protocol):
    """A wiring whose kinds may be out of reach for a while."""

    def troubles(self) -> Iterable[Finding]: ...


def findings_of(wiring: SnapshotWiring) -> tuple[Finding, ...]:
    """The snapshot's findings, then what the watches are in trouble with."""
    now = wiring.troubles() if isinstance(wiring, Followed) else ()
    return (*wiring.snapshot().findings, *now)


def complete(wiring: SnapshotWiring) -> bool:
    """Whether all manifests are known; otherwise nothing is retracted."""
    followed = not isinstance(wiring, Followed) or not any(True for _ in wiring.troubles())
    return followed and wiring.snapshot().complete()
