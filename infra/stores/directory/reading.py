"""One consistent look at a secret's directory: its state identity, its metadata and, if asked for, its values.

Behind `..data` a content is replaced as a whole, so a look is consistent when `..data` still leads where it did.
Without `..data` only time tells: two equal looks, and nothing touched within the last moments.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from events.references import Version
from functions._failures import Reject, Retry
from infra.stores.directory.handles import FileStat, Moved, Place
from infra.stores.directory.layout import (
    DATA,
    MAX_METADATA,
    MAX_VALUES,
    OURS,
    THEIRS,
    is_content,
    is_key,
    is_plain,
    link_target,
    refuse_names,
    refuse_size,
)
from infra.stores.directory.metadata import (
    Marker,
    Ours,
    Theirs,
    decode_marker,
    decode_ours,
    decode_theirs,
    recall,
    remember,
)

_ATTEMPTS = 12  # a look takes a tenth of a millisecond; a writer would have to swap within each of these
RECHECK = 0.02  # seconds until a half-written Secret is worth another look
_TIDYING = 1.0  # seconds that a producer may take to put visible names in order after it swapped ..data


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, as one whole. `content` is the name behind `..data`, "" without one.

    Of what we wrote, `entries` is that directory's ctime (ns), and `described` the stat of our document in it.
    """

    state: str
    content: str
    files: Mapping[str, FileStat]
    values: Mapping[str, bytes]  # empty unless asked for
    document: Ours | Theirs
    owner: str = ""
    managed: frozenset[str] = frozenset()
    drifted: bool = False
    entries: int = 0
    described: FileStat | None = None

    @property
    def stamp(self) -> Mapping[str, Version]:
        return self.document.stamp if isinstance(self.document, Ours) else {}


@dataclass(frozen=True, slots=True)
class _Content:
    files: dict[str, FileStat]
    values: dict[str, bytes]
    ours: Ours | None
    ours_stat: FileStat | None
    theirs: Theirs
    theirs_stat: FileStat | None
    changed: int  # when an entry of the directory came or went, ns


def look(place: Place, *, values: bool, settle: float) -> Look | None:
    """None where there is no Secret. `settle`: seconds for which files without `..data` must have lain still.

    Raises Retry while it is half-written, and Reject for what is no Secret: foreign symlinks and owners, special
    files, hard links, names that are no keys, more than 1 MiB.
    """
    for _ in range(_ATTEMPTS):
        try:
            target = place.link(DATA)
            if target is None:
                return _look_plain(place, values, settle)
            return _look_behind(place, target, values, settle)
        except Moved:
            continue
    raise Retry(f"{place.subject} is being rewritten, or its ..data leads nowhere", after=RECHECK)


# --- behind ..data ------------------------------------------------------------------------------------------------


def _look_behind(place: Place, target: str, values: bool, settle: float) -> Look:
    if not is_content(target):
        raise Reject(f"{place.subject}: ..data leads out of its directory, or is no symlink: swap it as a kubelet does")
    try:
        with place.directory(target) as content:
            seen = _content(content, values, settle, beside=place)
    except FileNotFoundError:
        raise Moved from None
    broken = _broken_links(place, seen)
    found = _judged(place, target, seen, broken)
    if place.link(DATA) != target:  # a content that was replaced may have been half removed when we listed it
        raise Moved
    return found


def _judged(place: Place, target: str, seen: _Content, broken: tuple[str, ...]) -> Look:
    ours = seen.ours
    if ours is None:
        return _judged_foreign(place, target, seen, broken)
    recorded, managed = ours.recorded(), frozenset(ours.managed)
    _refuse_shadows(place, [key for key in broken if key not in managed and not ours.covers(key, place.stat(key))])
    changed = any(seen.files.get(key) != recorded.get(key) for key in managed)
    return Look(
        state=target if seen.files == recorded and not broken and is_plain(target) else _state(target, seen, broken),
        content=target, files=seen.files, values=seen.values, document=ours,
        owner=ours.owner, managed=managed, drifted=changed or bool(broken),
        entries=seen.changed, described=seen.ours_stat,
    )  # fmt: skip


def _judged_foreign(place: Place, target: str, seen: _Content, broken: tuple[str, ...]) -> Look:
    """A producer's content, or one that somebody swapped for ours: then the marker tells whose Secret it is."""
    marker = _marker(place)
    managed = frozenset(marker.managed) if marker else frozenset()
    _refuse_shadows(place, [key for key in broken if key not in managed])
    if not marker:
        _refuse_partial(place, seen)
    return Look(
        state=_state(target, seen, broken), content=target, files=seen.files, values=seen.values,
        document=seen.theirs, owner=marker.owner if marker else "", managed=managed, drifted=marker is not None,
    )  # fmt: skip


def _broken_links(place: Place, seen: _Content) -> tuple[str, ...]:
    """Keys whose visible name is not the link to the data. One that is missing matters where it was ours."""
    managed = frozenset(seen.ours.managed) if seen.ours else frozenset()
    links = {key: place.link(key) for key in seen.files}
    return tuple(
        sorted(
            key for key, leads in links.items()
            if leads != link_target(key) and (leads is not None or key in managed)
        )
    )  # fmt: skip


def _refuse_shadows(place: Place, keys: list[str]) -> None:
    if not keys:
        return
    if _recent(place.status().st_ctime_ns, _TIDYING):
        raise Retry(f"{place.subject}: {keys[0]!a} lies beside ..data; perhaps it is being tidied", after=RECHECK)
    raise Reject(
        f"{place.subject}: {keys[0]!a} lies beside ..data instead of leading to it, so two values are current: "
        "restore the link, and write a new content behind ..data"
    )


def _refuse_partial(place: Place, seen: _Content) -> None:
    """A link to a key that the content lacks tells of a content being removed, while its directory is young."""
    dangling = [name for name in place.names() if name not in seen.files and place.link(name) == link_target(name)]
    if dangling and _recent(max(place.status().st_ctime_ns, seen.changed), _TIDYING):
        raise Retry(f"{place.subject}: key {dangling[0]!a} leads to nothing yet, or no more", after=RECHECK)


def _marker(place: Place) -> Marker | None:
    try:
        return decode_marker(place.read(OURS, MAX_METADATA)[0])
    except Moved:
        return None  # there is none


# --- without ..data -----------------------------------------------------------------------------------------------


def _look_plain(place: Place, values: bool, settle: float) -> Look | None:
    first, second = (_content(place, values, settle) for _ in range(2))
    if not first.files and not second.files:
        return None
    if first != second or _recent(_newest(second), settle):
        raise Retry(f"{place.subject} is still being written (it has no ..data to swap)", after=max(RECHECK, settle))
    marker = _marker(place)
    return Look(
        state=_state("", second, ()), content="", files=second.files, values=second.values, document=second.theirs,
        owner=marker.owner if marker else "", managed=frozenset(marker.managed) if marker else frozenset(),
        drifted=marker is not None,
    )  # fmt: skip


def _newest(seen: _Content) -> int:
    return max(seen.changed, *(time_ns for file in seen.files.values() for time_ns in (file.mtime, file.ctime)))


def _recent(touched: int, settle: float) -> bool:
    """Whether a later write could still bear this very time. A time ahead of us tells of a clock that was set back."""
    return 0 <= time.time_ns() - touched < settle * 1e9


# --- both ---------------------------------------------------------------------------------------------------------


def _content(place: Place, values: bool, settle: float, beside: Place | None = None) -> _Content:
    changed = place.status().st_ctime_ns
    names = place.names()
    # Links to a ..data that is not there (yet, or any more) are no files of a producer without one.
    keys = sorted(
        name for name in names
        if not name.startswith("..") and (beside or not is_key(name) or place.link(name) != link_target(name))
    )  # fmt: skip
    refuse_names(place.subject, keys)
    files, data = _files(place, keys, values)
    theirs, theirs_stat = _theirs(place if THEIRS in names or beside is None else beside, settle)
    ours, ours_stat = _ours(place) if beside and OURS in names else (None, None)
    return _Content(files, data, ours, ours_stat, theirs, theirs_stat, changed)


def _ours(place: Place) -> tuple[Ours | None, FileStat]:
    found = place.stat(OURS)
    known = recall(found)
    if known is not None:
        return known, found
    raw, found = place.read(OURS, MAX_METADATA)
    ours = decode_ours(raw)
    if ours is not None:
        remember(found, ours)
    return ours, found


def _files(place: Place, keys: list[str], values: bool) -> tuple[dict[str, FileStat], dict[str, bytes]]:
    files, data, total = {}, {}, 0
    for key in keys:
        if values:
            data[key], files[key] = place.read(key, MAX_VALUES - total)
        else:
            files[key] = place.stat(key)
        total += files[key].size
        refuse_size(place.subject, total)
    return files, data


def _theirs(place: Place, settle: float) -> tuple[Theirs, FileStat | None]:
    try:
        raw, found = place.read(THEIRS, MAX_METADATA)
    except Moved:
        return Theirs(), None
    try:
        return decode_theirs(raw, place.subject), found
    except Reject:
        if _recent(max(found.mtime, found.ctime), settle):
            raise Retry(f"{place.subject}: {THEIRS} is still being written", after=max(RECHECK, settle)) from None
        raise


def _state(target: str, seen: _Content, broken: tuple[str, ...]) -> str:
    """An identity that differs whenever a content differs, from names and stats; no value goes into it."""
    digest = hashlib.sha256(repr((target, sorted(seen.files.items()), seen.theirs_stat, broken)).encode())
    return f"{target if is_plain(target) else '..'}~{digest.hexdigest()[:32]}"
