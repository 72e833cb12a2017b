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
    """What a finding leads to. `dismissed` says why it leads to nothing; `unindexed` that this may change."""

    match: Match = ""
    found: tuple[Found, ...] = ()
    dismissed: Literal["", "unknown", "configuration"] = ""
    unindexed: bool = False


def mapped(leak: Leak, ports: Ports, *, wait: bool = True) -> Mapped:
    """Find the secrets: by fingerprint, else by path; and wherever else the same value is.

    `wait`: rather wait for the index than answer from what it does not hold yet.
    """
    newest = ports.index.round()
    # A round that never sees everything must not hold a report up for ever.
    late = not wait or ports.clock.now() - leak.received > PATIENCE
    looked = late or (newest is not None and newest >= leak.received)
    sightings = _wired(ports.index.find(leak.fingerprint), ports) if leak.fingerprint else ()
    if sightings:
        return Mapped("fingerprint", _all_found(sightings, ports))
    if leak.fingerprint and not looked:
        return Mapped(unindexed=True)
    if leak.path is None or not wired(leak.path, ports):
        return Mapped(dismissed="unknown")
    if configuration(leak.path, leak.key or ""):
        return Mapped(dismissed="configuration")
    if newest is None and not late:  # other secrets of the same value are known by the index alone
        return Mapped(unindexed=True)
    return _by_path(leak, leak.path, looked=looked, ports=ports)


def wired(path: PathRef, ports: Ports) -> bool:
    """Whether a manifest names the path: only those do we know, and may look at."""
    wiring = ports.wiring
    return bool(wiring.rotation_of_path(path) or wiring.producers_of_path(path) or wiring.consumers_of_path(path))


def _wired(sightings: Iterable[Sighting], ports: Ports) -> tuple[Sighting, ...]:
    return tuple(one for one in sightings if wired(one.path, ports))


def _by_path(leak: Leak, path: PathRef, *, looked: bool, ports: Ports) -> Mapped:
    head = ports.authority.head(path)
    if head is None:
        return Mapped(dismissed="unknown")
    version = _leaked_version(leak, path, head, ports)
    if version is None:
        return Mapped(dismissed="unknown") if looked else Mapped(unindexed=True)
    match: Match = "operator" if leak.match == "operator" else "path"
    first = Found(path, leak.key, version, _standing(path, version, head, ports))
    return Mapped(match, _merged((first, *_all_found(_same_values(path, leak.key, version, ports), ports))))


def _leaked_version(leak: Leak, path: PathRef, head: PathHead, ports: Ports) -> Version | None:
    """The version that was named, or that was the newest when the reporter saw it; None where it is not known (yet)."""
    indexed = ports.index.read(path)
    known = [one.version for _, one in sorted(indexed.versions.items())] if indexed else []
    if leak.version is not None:
        candidates = [version for version in (*known, head.version) if version.number == leak.version]
        return candidates[-1] if candidates else None
    if head.version.created <= leak.noticed + CLOCKS_APART:
        return head.version
    older = [version for version in known if version.created <= leak.noticed]
    return older[-1] if older else head.version


def _same_values(path: PathRef, key: str | None, version: Version, ports: Ports) -> tuple[Sighting, ...]:
    """Wherever else the values of this version are; of the one key where one is named."""
    indexed = ports.index.read(path)
    held = indexed.held(version) if indexed else None
    prints = [fingerprint for name, fingerprint in held.keys.items() if key in (None, name)] if held else []
    found = (sighting for fingerprint in prints for sighting in ports.index.find(fingerprint))
    return _wired((one for one in found if (one.path, one.version) != (path, version)), ports)


def _all_found(sightings: Iterable[Sighting], ports: Ports) -> tuple[Found, ...]:
    found = []
    for path, mine in _newest_of_each(sightings).items():
        head = ports.authority.head(path)
        if head is not None:
            found.append(Found(path, mine.key, mine.version, _standing(path, mine.version, head, ports)))
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


def _standing(path: PathRef, version: Version, head: PathHead, ports: Ports) -> Standing:
    indexed = ports.index.read(path)
    held = indexed.held(version) if indexed else None
    if held is not None and held.revoked:
        return "revoked"
    record = ports.rotations.read(path)
    if record is not None and record.base == version and record.phase == "completed":
        return "revoked"
    if head.version == version:
        return "current"
    if record is not None and record.base == version and record.phase in ("promoting", "promoted"):
        return "retiring"
    return "former"
