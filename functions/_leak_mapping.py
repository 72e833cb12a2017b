"""Which secrets a finding is about, at which version, and whether what leaked is in use.

A path label is what a reporter says; a fingerprint is what the value says. Both are looked up in what is wired here
and nowhere else: a label names a path to look at, and is never asked for at the authority unless a manifest names it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from events.leak import Exposure
from events.references import PathRef, Version
from functions._leak_seen import Seen
from functions._leaks import Leak, Match, Sighting
from functions._ports import PathHead, Ports
from functions._telling import configuration

MOST = 64  # secrets of one finding
PATIENCE = timedelta(minutes=10)  # for the index to be up to date
CLOCKS_APART = timedelta(seconds=10)  # between a reporter's clock and the authority's

Standing = Literal["current", "retiring", "revoked", "former"]


@dataclass(frozen=True, slots=True)
class Found:
    """A secret that a finding is about. `retiring`: a newer version is there, and this one is accepted still."""

    path: PathRef
    key: str | None
    version: Version
    standing: Standing

    def exposed(self, standing: Literal["held", "rotating", "revoked", "owner", "ignored"]) -> Exposure:
        return Exposure(path=self.path, key=self.key, version=self.version, standing=standing)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a finding leads to. `dismissed` says why it leads to nothing, and `why` in words what is unknown.

    `unindexed` says that this may change.
    """

    match: Match = ""
    found: tuple[Found, ...] = ()
    dismissed: Literal["", "unknown", "configuration"] = ""
    why: str = ""
    unindexed: bool = False
    pinned: Version | None = None  # the version that a path means, where it could be told


def mapped(leak: Leak, seen: Seen, ports: Ports, *, wait: bool = True) -> Mapped:
    """Find the secrets: by fingerprint, else by path; and wherever else the same value is.

    `wait`: rather wait for the index than answer from what it does not hold yet.
    """
    newest = ports.index.round()
    # A round that never sees everything must not hold a report up for ever.
    late = not wait or ports.clock.now() - leak.received > PATIENCE
    looked = late or (newest is not None and newest >= leak.received)
    sightings = _wired(ports.index.find(leak.fingerprint), ports) if leak.fingerprint else ()
    if sightings:
        return Mapped("fingerprint", _all_found(sightings, seen))
    unindexed = leak.fingerprint is not None and not looked
    head = seen.head(leak.path) if leak.path is not None and wired(leak.path, ports) else None
    if leak.path is None or (head is None and not _remembered(leak.path, seen, ports)):
        return Mapped(unindexed=True) if unindexed else Mapped(dismissed="unknown", why=_unknown(leak, ports))
    if configuration(leak.path, leak.key or ""):
        return Mapped(unindexed=True) if unindexed else Mapped(dismissed="configuration")
    # Before anything is waited for: whoever looks again finds newer versions that nobody reported.
    pinned = leak.pinned or _leaked_version(leak, leak.path, head, looked=looked, seen=seen)
    # Other secrets of the same value are known by the index alone.
    if unindexed or (newest is None and not late) or (pinned is None and not looked):
        return Mapped(unindexed=True, pinned=pinned)
    if pinned is None:
        which = f"version {leak.version} of" if leak.version is not None else "any version of"
        return Mapped(dismissed="unknown", why=f"{which} {leak.path} was never seen")
    return _by_path(leak, leak.path, pinned, head, seen=seen, ports=ports)


def _unknown(leak: Leak, ports: Ports) -> str:
    """Why it leads to nothing, in words: for operators alone."""
    said = ["no value that the index knows has its fingerprint"] if leak.fingerprint else []
    if leak.path is not None and not wired(leak.path, ports):
        said.append(f"nothing that is wired is called {leak.path}")
    elif leak.path is not None:
        said.append(f"nothing was ever seen at {leak.path}")
    return ", and ".join(said) or "it names neither a path nor a fingerprint"


def wired(path: PathRef, ports: Ports) -> bool:
    """Whether a manifest names the path: only those do we know, and may look at."""
    wiring = ports.wiring
    return bool(wiring.rotation_of_path(path) or wiring.producers_of_path(path) or wiring.consumers_of_path(path))


def _remembered(path: PathRef, seen: Seen, ports: Ports) -> bool:
    """Whether a path that is gone at the authority, with all that it held, is known still: what leaked works on."""
    return wired(path, ports) and seen.index(path) is not None


def _wired(sightings: Iterable[Sighting], ports: Ports) -> tuple[Sighting, ...]:
    return tuple(one for one in sightings if wired(one.path, ports))


def _by_path(
    leak: Leak, path: PathRef, version: Version, head: PathHead | None, *, seen: Seen, ports: Ports
) -> Mapped:  # fmt: skip
    match: Match = "operator" if leak.match == "operator" else "path"
    first = Found(path, leak.key, version, _standing(path, version, head, seen))
    found = _merged((first, *_all_found(_same_values(path, leak.key, version, seen, ports), seen)))
    return Mapped(match, found, pinned=version)


def _leaked_version(
    leak: Leak, path: PathRef, head: PathHead | None, *, looked: bool, seen: Seen
) -> Version | None:  # fmt: skip
    """The version that was named, or that was the newest when the reporter saw it; None where it is not known (yet)."""
    indexed = seen.index(path)
    known = [one.version for _, one in sorted(indexed.versions.items())] if indexed else []
    newest = head.version if head is not None else known[-1] if known else None
    if newest is None:
        return None
    if leak.version is not None:
        candidates = [version for version in (*known, newest) if version.number == leak.version]
        return candidates[-1] if candidates else None
    if newest.created <= leak.noticed + CLOCKS_APART:
        return newest
    if not looked:
        return None  # it is about one before, which the index may not hold yet
    older = [version for version in known if version.created <= leak.noticed]
    return older[-1] if older else newest


def _same_values(
    path: PathRef, key: str | None, version: Version, seen: Seen, ports: Ports
) -> tuple[Sighting, ...]:  # fmt: skip
    """Wherever else the values of this version are; of the one key where one is named."""
    indexed = seen.index(path)
    held = indexed.held(version) if indexed else None
    prints = [fingerprint for name, fingerprint in held.keys.items() if key in (None, name)] if held else []
    found = (sighting for fingerprint in prints for sighting in ports.index.find(fingerprint))
    return _wired((one for one in found if (one.path, one.version) != (path, version)), ports)


def _all_found(sightings: Iterable[Sighting], seen: Seen) -> tuple[Found, ...]:
    found = []
    for path, mine in _newest_of_each(sightings).items():
        standing = _standing(path, mine.version, seen.head(path), seen)
        found.append(Found(path, mine.key, mine.version, standing))
    return _merged(found)


def _newest_of_each(sightings: Iterable[Sighting]) -> dict[PathRef, Sighting]:
    """A value that stayed through several versions leaked from the newest of them."""
    newest: dict[PathRef, Sighting] = {}
    for one in sightings:
        known = newest.get(one.path)
        if known is None or one.version.newer_than(known.version):
            newest[one.path] = one
    return newest


def _merged(found: Iterable[Found]) -> tuple[Found, ...]:
    by_path: dict[PathRef, Found] = {}
    for one in found:
        known = by_path.get(one.path)
        if known is None or one.version.newer_than(known.version):
            by_path[one.path] = one
    return tuple(sorted(by_path.values(), key=lambda one: str(one.path)))[:MOST]


def _standing(path: PathRef, version: Version, head: PathHead | None, seen: Seen) -> Standing:
    indexed = seen.index(path)
    held = indexed.held(version) if indexed else None
    if held is not None and held.revoked:
        return "revoked"
    record = seen.rotation(path)
    if record is not None and record.base == version and record.phase == "completed":
        return "revoked"
    if head is not None and head.version == version:
        return "current"
    if record is not None and record.base == version and record.phase in ("promoting", "promoted"):
        return "retiring"
    return "former"
