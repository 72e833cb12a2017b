"""PushSecrets that name a path which another one holds: they may not act there, whatever else they publish."""

from collections.abc import Callable, Iterator

from events.references import ManifestRef, PathRef
from functions._contested import STILL_THEIRS, holders
from functions._ports import Publication
from infra.wiring.index import Index

Confirmed = Callable[[PathRef], Publication | None]


def contested(index: Index, confirmed: Confirmed) -> Iterator[tuple[ManifestRef, str]]:
    """Each manifest that is refused a path, and by whom. Of a path that nobody confirmed yet, nobody is refused."""
    for path, pushes in index.claimed_twice():
        holding = holders(path, index, confirmed)
        if len(holding) == len(pushes):
            continue
        for push in pushes:
            if push not in holding:
                yield push.ref, f"{path} belongs to {holding[0].ref}, {STILL_THEIRS}"
