"""The versions of a kind's API that a cluster may serve, followed as one feed."""

from collections.abc import Callable, Sequence
from typing import Any

from functions._failures import Reject
from infra.kubernetes.informing import Feed, Informer, Stream
from infra.kubernetes.mirror import Object
from infra.kubernetes.refusals import NoSuchKind
from infra.kubernetes.resources import Resource

MISSING = "is not served by the cluster"


class Served:
    """Implements Feed: the newest version of a kind that the cluster serves. `seen`: it served one at least once.

    `mend` is what to do where it serves none.
    """

    def __init__(self, resources: Sequence[Resource], feeds: Sequence[Feed], mend: str) -> None:
        """One feed for each resource, the newest version first."""
        self._resources = resources
        self._feeds = feeds
        self._mend = mend
        self._current = feeds[0]
        self.seen = False

    def list(self, make: Callable[[Object], Any]) -> tuple[Any, str]:
        for feed in self._feeds:
            try:
                found = feed.list(make)
            except NoSuchKind:
                continue
            self._current, self.seen = feed, True
            return found
        raise self._missing()

    def watch(self, resource_version: str) -> Stream:
        return self._current.watch(resource_version)

    def _missing(self) -> Reject:
        versions = " or ".join(each.version for each in self._resources)
        return Reject(f"{self._resources[0].qualified} ({versions}) {MISSING}; {self._mend}")


def copied(informer: Informer[Any]) -> dict[tuple[str, str], Any]:
    """What an informer holds, copied while it may go on: a dictionary that grows cannot be walked through."""
    while True:
        try:
            return dict(informer.held())
        except RuntimeError:
            continue
