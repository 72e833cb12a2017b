"""Wired paths that are written nearly as one that is not: for who mistyped it."""

import difflib
import itertools

from events.references import PathRef
from functions._ports import Wiring
from infra.hosts.views.pipeline import entries, read_paths, rotated_path

_MOST = 3
_ALIKE = 0.7  # of what differs


def near(path: PathRef, wiring: Wiring) -> list[str]:
    """The wired paths most like it, the nearest first; of what a search finds none, as only the authority lists it."""
    wired = {str(one) for push in wiring.push_secrets() for one in entries(push, wiring)}
    wired |= {str(one) for consumer in wiring.external_secrets() for one in read_paths(consumer, wiring)}
    wired |= {str(one) for rotation in wiring.rotations() for one in rotated_path(rotation, wiring)}
    alike = sorted((-_alike(str(path), one), one) for one in wired)
    return [one for ratio, one in alike[:_MOST] if -ratio >= _ALIKE]


def _alike(one: str, other: str) -> float:
    """From 0 to 1. Mounts and directories that are the same make no two paths alike."""
    first, second = one.split("/"), other.split("/")
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
    return difflib.SequenceMatcher(None, "/".join(first[same:]), "/".join(second[same:])).ratio()
