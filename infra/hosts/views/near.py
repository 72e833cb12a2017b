"""Wired paths that are written nearly as one that is not: for who mistyped it."""

import difflib

from events.references import PathRef
from functions._ports import Wiring
from infra.hosts.views.pipeline import entries, read_paths, rotated_path

_MOST = 3
_ALIKE = 0.8  # mounts and directories are the same for most: those alone make no two paths alike


def near(path: PathRef, wiring: Wiring) -> list[str]:
    """The wired paths most like it, the nearest first; of what a search finds none, as only the authority lists it."""
    wired = {path for push in wiring.push_secrets() for path in entries(push, wiring)}
    wired |= {path for consumer in wiring.external_secrets() for path in read_paths(consumer, wiring)}
    wired |= {path for rotation in wiring.rotations() for path in rotated_path(rotation, wiring)}
    return difflib.get_close_matches(str(path), sorted(map(str, wired)), n=_MOST, cutoff=_ALIKE)
