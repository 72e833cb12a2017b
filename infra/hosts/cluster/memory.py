"""What was told of manifests, where nothing outlives the process: a start tells of them again, as hints may be."""

import time
from collections.abc import Sequence

from events.references import ManifestRef
from infra.hosts.local.manifests import KnownManifest


class RememberedManifests:
    """As KnownManifests, but forgetful. Its serial begins with the time, so that no two processes give one number.

    What was removed while no process looked is not noticed here: that wants a state directory (`lockstep up`).
    """

    def __init__(self) -> None:
        self._known: dict[ManifestRef, KnownManifest] = {}
        self._serial = time.time_ns() // 1000

    def all(self) -> dict[ManifestRef, KnownManifest]:
        return dict(self._known)

    def follow(self, changes: Sequence[tuple[ManifestRef, KnownManifest | None]]) -> None:
        for ref, manifest in changes:
            if manifest is None:
                self._known.pop(ref, None)
            else:
                self._known[ref] = manifest
            self._serial += 1

    def serial(self) -> int:
        return self._serial
