"""The last look at each Secret of ours: a write takes no other one where that would see the same.

A directory's ctime moves when an entry of it comes, goes or is renamed; a file's when it is written, linked or given
away. Where all are as they were, nothing has changed, unless it did within the same tick of the kernel's clock: so what
is younger than that is not remembered.
"""

import os
import time
from dataclasses import dataclass, replace

from events.references import SecretRef
from infra.stores.directory.handles import FileStat, Place
from infra.stores.directory.layout import OURS
from infra.stores.directory.metadata import Ours
from infra.stores.directory.reading import Look

_MOST = 1024


@dataclass(frozen=True, slots=True)
class _Seen:
    look: Look  # without values
    directory: int  # ctime, ns


class RecentLooks:
    """Safe to share between threads. `tick`: seconds within which two changes may bear the same time."""

    def __init__(self, tick: float) -> None:
        self._tick = int(tick * 1e9)
        self._seen: dict[SecretRef, _Seen] = {}

    def note(self, ref: SecretRef, directory: int, look: Look) -> None:
        """What a look found that began when the Secret's directory had this ctime (ns)."""
        if not isinstance(look.document, Ours) or look.drifted or look.state != look.content:
            return
        newest = max(directory, look.entries, *(file.ctime for file in look.files.values()))
        if time.time_ns() - newest < self._tick:  # also where the clock was set back
            return
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[ref] = _Seen(replace(look, values={}), directory)

    def still(self, ref: SecretRef, place: Place, state: str) -> Look | None:
        """The last look, if it found this state and another one would; None where that takes another one."""
        seen = self._seen.get(ref)
        if seen is None or seen.look.state != state or place.status().st_ctime_ns != seen.directory:
            return None
        try:
            return seen.look if _unchanged(place, seen.look) else None
        except FileNotFoundError:
            return None


def _unchanged(place: Place, look: Look) -> bool:
    if os.stat(look.content, dir_fd=place.handle, follow_symlinks=False).st_ctime_ns != look.entries:
        return False
    files = {**look.files, OURS: look.described}
    return all(
        FileStat.of(os.stat(f"{look.content}/{name}", dir_fd=place.handle, follow_symlinks=False)) == stat
        for name, stat in files.items()
    )
