"""What a host can tell of what happened: ports that the embedded broker's database implements, and others may.

Whoever reads (control API, views, checks, metrics, audit) depends on these alone; only the code that builds an
instance names what is behind them. One contract suite per port: tests/contracts/test_{timeline,dead_letters,
whereabouts,ledger_table}.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

from events.cloudevent import CloudEvent
from infra.broker.chain import Entry
from infra.broker.principal import Principal
from infra.broker.records import Anchor, DeadLetter, Health, Line, Pending, Said, Trace


class Timeline(Protocol):
    """What happened, in order. Positions are sequence numbers, shared by events and all that happened to them."""

    def lines(self, since: int = 0, limit: int = 1000) -> tuple[Line, ...]:
        """What happened after `since`, in order."""

    def follow(self, since: int, timeout: float, limit: int = 1000) -> tuple[Line, ...]:
        """As `lines`, but waits up to `timeout` seconds while there is nothing."""

    def traces(
        self,
        *,
        subject: str | None = None,
        correlation: str | None = None,
        type: str | None = None,  # noqa: A002 - CloudEvents' name
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[Trace, ...]:
        """The newest `limit` events that match all of what is given, oldest first."""

    def trace(self, sequence: int) -> Trace | None:
        """One event by its sequence number."""


class DeadLetters(Protocol):
    """Deliveries that were given up, kept until somebody replays or drops them."""

    def list(self, *, include_closed: bool = False, limit: int = 100, after: int = 0) -> tuple[DeadLetter, ...]:
        """Dead letters with a number above `after`, oldest first."""

    def count(self) -> int:
        """How many are open."""

    def show(self, n: int) -> tuple[DeadLetter, CloudEvent]:
        """A dead letter and its event, with the `knativeerror*` attributes. Raises DeadLetterError if unknown."""

    def replay(self, n: int, by: Principal) -> Future[None]:
        """Deliver it again with a fresh budget. The future raises DeadLetterError: unknown, or closed already."""

    def drop(self, n: int, by: Principal) -> Future[None]:
        """Give it up for good. The future raises DeadLetterError: unknown, or closed already."""


class Whereabouts(Protocol):
    """What is still to be delivered, and what was last said about a subject."""

    def position(self) -> int:
        """The newest sequence number: a follower of the timeline that begins here sees what comes."""

    def position_at(self, at: int) -> int:
        """The sequence number of the last event accepted before a time (microseconds since the epoch)."""

    def pending(self, subjects: Iterable[str] | None = None, limit: int = 10_000) -> tuple[Pending, ...]:
        """Deliveries that are not over, oldest first; of all subjects, or of these."""

    def newest(self, subjects: Iterable[str], types: Sequence[str] = (), by: str = "") -> dict[str, Said]:
        """The newest event about each subject: of these types, by principals whose names begin so."""

    def events(self, sequences: Iterable[int]) -> dict[int, CloudEvent]:
        """Events as they were stored; those that are kept no longer are not there."""


class LedgerTable(Protocol):
    """The hash chain, as its one writer keeps it (the step's port `Ledger` anchors it)."""

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last durable entry; (0, GENESIS) of an empty ledger."""

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        """Entries `first` to `last` (inclusive; None: to the end)."""

    def anchors(self, limit: int = 1000) -> tuple[Anchor, ...]:
        """The newest `limit` anchors, oldest first."""

    def record_anchor(
        self, n: int, hash_: bytes, signature: str, key_version: int, authority_version: int, *, at: int
    ) -> Future[None]:
        """Remember that the head was anchored; an anchor of the same entry is replaced."""


class Evidence(Protocol):
    """All of it, and the two things that an operator's request needs of the delivery itself."""

    @property
    def timeline(self) -> Timeline: ...

    @property
    def dead_letters(self) -> DeadLetters: ...

    @property
    def whereabouts(self) -> Whereabouts: ...

    @property
    def ledger(self) -> LedgerTable: ...

    def health(self) -> Health: ...

    def accept_many(self, events: Iterable[CloudEvent], principal: Principal) -> Future[tuple[int, ...]]:
        """Take all of these events or none; their sequence numbers, once they are durable."""
