"""The way of one secret, hop by hop: source, publish, authority, materialize, consumer, and its workloads."""

from dataclasses import dataclass
from typing import Literal

from events.references import ManifestRef, PathRef
from infra.hosts.views.trouble import Trouble

HopName = Literal["source", "publish", "rotation", "authority", "materialize", "consumer", "workload"]
HopState = Literal["ok", "broken", "waiting"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop. `mend` are commands or deeds, in order; empty where there is nothing to mend."""

    name: HopName
    state: HopState
    subject: str
    says: str
    mend: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """The hops from the authority to one consumer."""

    consumer: ManifestRef
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """One path: the hops to the authority, and from there to each consumer."""

    path: PathRef
    hops: tuple[Hop, ...]
    branches: tuple[Branch, ...]

    def first_broken(self) -> Hop | None:
        """The first hop that is broken; where none is, the first that waits."""
        hops = (*self.hops, *(hop for branch in self.branches for hop in branch.hops))
        for state in ("broken", "waiting"):
            for hop in hops:
                if hop.state == state:
                    return hop
        return None
