"""What steps remember of leaks: a record per finding, an index of fingerprints, and what makes fingerprints.

A fingerprint is an HMAC by a key that its users can use but not read: whoever holds one and may not use the key can
neither compute others nor try values against it. Each purpose has a key of its own, so that what is kept for one
tells nothing to who sees what is kept for another.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from events.references import PathRef, Version
from functions._values import SecretValue

if TYPE_CHECKING:  # fingerprints alone do without the events of leaks
    from events.leak import Exposure

SCHEDULE = "index"  # rounds of the index of fingerprints
SETTLED = 32  # contained findings of a path that are found by it; more than versions of it are indexed

State = Literal["reported", "confirmed", "dismissed", "contained"]
Match = Literal["", "path", "fingerprint", "operator"]
Happened = Literal[
    "reported", "resolved", "mapped", "held", "confirmed", "dismissed", "requested", "attested", "revoked", "contained",
    "joined", "stopped",
]  # fmt: skip
Purpose = Literal["leak", "revoked"]
# What somebody's reports may lead to by themselves; what is more waits for an operator.
Trust = Literal["report", "rotate", "revoke-first"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a finding's timeline."""

    at: datetime
    what: Happened
    by: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Leak:
    """A finding, from its first report on. `revision` is the CAS token of its document.

    `noticed` is when the reporter first saw it, `received` when it came here. `held` says why nothing is done about
    some of its exposures yet; `missing` what containment still waits for. A resolved report is recorded, and closes
    nothing: that a secret is seen no more makes it no less known.

    `pinned` is the version that was current when only a path was told: whoever looks again goes by that one.
    `attempts` says for each path (as `str`) which attempt of its rotation was asked for: told again, it is the same.
    `joined` are other findings of the same secrets, the first so many of them; they have no record of their own.
    """

    id: str
    reporters: tuple[str, ...]  # in the order in which they told
    via: str
    noticed: datetime
    received: datetime
    detector: str = ""
    place: str = ""
    path: PathRef | None = None
    key: str | None = None
    version: int | None = None
    fingerprint: str | None = None
    pinned: Version | None = None
    state: State = "reported"
    match: Match = ""
    exposures: "tuple[Exposure, ...]" = ()
    consumers: tuple[str, ...] = ()  # who uses what is out, when it was confirmed: namespace/name of their Secrets
    held: str = ""
    dismissed: str = ""  # why
    decided_by: str = ""  # who confirmed or dismissed it
    attested_by: str = ""  # who vouches that what we cannot try is refused
    resolved: datetime | None = None
    contained: datetime | None = None
    missing: tuple[str, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    told: bool = False  # whether its confirmation is known to have been accepted: it came to who follows it
    timeline: tuple[Happening, ...] = ()
    due: datetime | None = None  # its reminder
    revision: int = 0

    @property
    def subject(self) -> str:
        return f"leaks/{self.id}"

    @property
    def paths(self) -> tuple[PathRef, ...]:
        return tuple(sorted({one.path for one in self.exposures}, key=str))


class Leaks(Protocol):
    """Records of findings (LEAK_READ, LEAK_WRITE, LEAK_REMOVE)."""

    def ids(self) -> tuple[str, ...]:
        """All findings that there is a record of, ordered."""

    def read(self, leak: str) -> Leak | None: ...

    def write(self, leak: Leak) -> Leak:
        """Set it if the record still has this revision (0: there is none); with its new one. Raises Conflict."""

    def remove(self, leak: Leak) -> None:
        """Forget the record if it is still this one. Absent: nothing to do. Raises Conflict."""

    def of_path(self, path: PathRef) -> tuple[str, ...]:
        """The findings that are open about a path, ordered."""

    def reading_of_path(self, path: PathRef) -> AbstractContextManager[Callable[[], tuple[str, ...]]]:
        """`of_path`, asked for at once and waited for when it is called (at most once): other reads go beside it."""

    def settled(self, path: PathRef) -> tuple[str, ...]:
        """The newest SETTLED findings about a path that were contained, in that order."""

    def link(self, path: PathRef, leak: str) -> None:
        """Say that the finding is open about the path. Said already: nothing to do. Raises Conflict."""

    def unlink(self, path: PathRef, leak: str) -> None:
        """Take that back. Not said: nothing to do. Raises Conflict."""

    def settle(self, path: PathRef, leak: str) -> None:
        """Say that the finding is open no more, as it is contained. Said already: nothing to do. Raises Conflict."""


class Fingerprints(Protocol):
    """What turns values into fingerprints (FINGERPRINT_LEAK, FINGERPRINT_REVOKED: one key for each purpose)."""

    def of(self, purpose: Purpose, values: Sequence[SecretValue], key_version: int | None = None) -> tuple[str, ...]:
        """A fingerprint for each value, in order: `v<version>.<64 digits>`, by the newest version of the key, or by
        the one that is named: what was kept before the key got a new version is compared with nothing else."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a value is, or was: one key of one version of a path."""

    path: PathRef
    key: str
    version: Version


@dataclass(frozen=True, slots=True)
class IndexedVersion:
    """A version whose values were looked at; `keys` maps those worth telling apart to their fingerprints.

    `remembered` are those that they would be known by if they were revoked: the version may be gone by then.
    """

    version: Version
    keys: Mapping[str, str] = field(default_factory=dict)
    revoked: bool = False  # what it held is refused, wherever it was accepted
    looked: bool = True  # False: it was marked before anybody looked at its values
    remembered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index holds of one path: versions by number, current and former."""

    path: PathRef
    versions: Mapping[int, IndexedVersion] = field(default_factory=dict)
    revision: int = 0

    def held(self, version: Version) -> IndexedVersion | None:
        """What it holds of exactly this version, not of another of that number."""
        found = self.versions.get(version.number)
        return found if found is not None and found.version == version else None


class FingerprintIndex(Protocol):
    """Fingerprints of values, current and former (INDEX_READ: triage alone but for its writers; INDEX_WRITE)."""

    def read(self, path: PathRef) -> Indexed | None: ...

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Indexed | None]]:
        """The same, asked for at once and waited for when it is called (at most once): other reads go beside it."""

    def write(self, indexed: Indexed) -> Indexed:
        """Set it if its revision is unchanged (0: there is none); with its new one. Raises Conflict."""

    def find(self, fingerprint: str) -> tuple[Sighting, ...]:
        """Wherever a value of this fingerprint is or was, ordered by path, key and version."""

    def add(self, fingerprint: str, sighting: Sighting) -> None:
        """Say that it is there. Said already: nothing to do. Raises Conflict."""

    def drop(self, fingerprint: str, sighting: Sighting) -> None:
        """Take that back. Not said: nothing to do. Raises Conflict."""

    def round(self) -> datetime | None:
        """When the newest round began that looked at everything; None before the first."""

    def rounded(self, began: datetime) -> None:
        """Say that a round that began then looked at everything. An older one changes nothing."""
