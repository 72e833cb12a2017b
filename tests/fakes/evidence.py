"""What happened, in memory: the ports of infra/hosts/evidence.py over lists, with one route and no threads.

It keeps their promises, not the broker's: nothing is retried by itself and nothing is superseded. A `verdict` says
at once what becomes of a delivery.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from events.cloudevent import CloudEvent
from infra.broker.chain import GENESIS, Entry, Fields, entry_hash
from infra.broker.errors import DeadLetterError, UnknownDeadLetterError
from infra.broker.intake import Stamped, stamp, with_error
from infra.broker.principal import Principal
from infra.broker.records import Anchor, DeadLetter, Head, Health, Line, Pending, Said, Trace
from infra.broker.settler import error_data

Verdict = tuple[Literal["delivered", "dead-lettered", "retried"], int, str]  # outcome, status, reason
DELIVERED: Verdict = ("delivered", 202, "")
_DESTINATION, _PAUSE = "service:lockstep/sub", 60_000_000
T = TypeVar("T")


@dataclass
class _State:
    """What all ports share. `moment` is the clock, in microseconds; every happening takes one."""

    route: str
    verdict: Callable[[CloudEvent], Verdict]
    moment: int = 1_000_000
    sequence: int = 0
    events: dict[int, tuple[Stamped, Head]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    pending: dict[int, Pending] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    anchors: dict[int, Anchor] = field(default_factory=dict)

    def next(self) -> int:
        self.sequence += 1
        self.moment += 1
        return self.sequence

    def accept(self, event: CloudEvent, principal: Principal) -> int:
        number = self.next()
        stamped = stamp(event, principal, self.moment)
        about = stamped.about
        repeated = any(head.id == about.id and head.source == about.source for _, head in self.events.values())
        head = Head(
            number, self.moment, about.id, about.source, about.type, about.subject, about.correlation,
            str(principal), repeated,
        )  # fmt: skip
        self.events[number] = stamped, head
        self.lines.append(Line(number, self.moment, None, "accepted", 0, 0, 0, None, head))
        if not repeated:
            self.append("accepted", stamped, str(principal))
        self.deliver(number)
        return number

    def deliver(self, number: int, attempts: int = 1) -> None:
        stamped, head = self.events[number]
        outcome, status, reason = self.verdict(stamped.event)
        self.happened(number, outcome, attempts, status, reason)
        self.pending.pop(number, None)
        if outcome == "retried":
            due = self.moment + _PAUSE
            self.pending[number] = Pending(
                number, self.route, outcome, attempts, due, status, reason, head.type, head.subject, head.at
            )
        elif outcome == "dead-lettered":
            letter = DeadLetter(
                len(self.letters) + 1, number, self.route, self.moment, _DESTINATION, status, reason, attempts,
                None, None, None, head.id, head.source, head.type, head.subject, head.correlation,
            )  # fmt: skip
            self.letters.append(letter)
            self.append("dead-letter", stamped, "step:sub", f"{status} {reason}")

    def happened(self, number: int, outcome: str, attempts: int, status: int = 0, reason: str = "") -> None:
        head = self.events[number][1]
        self.lines.append(
            Line(self.next(), self.moment, self.route, outcome, attempts, 0, status, reason or None, head)
        )

    def append(self, kind: str, stamped: Stamped, principal: str, detail: str | None = None) -> None:
        about, previous = stamped.about, self.entries[-1].hash if self.entries else GENESIS
        fields: Fields = (
            len(self.entries) + 1, self.moment, kind, about.id, about.source, about.type, about.subject,
            about.correlation, about.causation, principal, detail, about.digest,
        )  # fmt: skip
        self.entries.append(Entry(*fields, previous, entry_hash(previous, fields)))


class MemoryTimeline:
    """`Timeline` over a list. Nothing happens while it waits, so it does not."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def lines(self, since: int = 0, limit: int = 1000) -> tuple[Line, ...]:
        return tuple(line for line in self._state.lines if line.sequence > since)[:limit]

    def follow(self, since: int, timeout: float, limit: int = 1000) -> tuple[Line, ...]:
        return self.lines(since, limit)

    def traces(
        self, *, subject: str | None = None, correlation: str | None = None,
        type: str | None = None,  # noqa: A002  the port's name
        before: int | None = None, limit: int = 100,
    ) -> tuple[Trace, ...]:  # fmt: skip
        found = [
            self._trace(head) for _, head in self._state.events.values()
            if subject in (None, head.subject) and correlation in (None, head.correlation)
            and type in (None, head.type) and (before is None or head.sequence < before)
        ]  # fmt: skip
        return tuple(found[-limit:])

    def trace(self, sequence: int) -> Trace | None:
        found = self._state.events.get(sequence)
        return self._trace(found[1]) if found else None

    def _trace(self, head: Head) -> Trace:
        lines = tuple(line for line in self._state.lines if line.event.sequence == head.sequence)
        return Trace(head, lines, (self._state.route,) if head.sequence in self._state.pending else ())


class MemoryDeadLetters:
    """`DeadLetters` over a list."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def list(self, *, include_closed: bool = False, limit: int = 100, after: int = 0) -> tuple[DeadLetter, ...]:
        found = [one for one in self._state.letters if one.n > after and (include_closed or one.closed is None)]
        return tuple(found[:limit])

    def count(self) -> int:
        return sum(one.closed is None for one in self._state.letters)

    def show(self, n: int) -> tuple[DeadLetter, CloudEvent]:
        letter = self._letter(n)
        event = self._state.events[letter.event][0].event
        return letter, with_error(event, letter.destination, letter.code, error_data(letter.reason))

    def replay(self, n: int, by: Principal) -> Future[None]:
        def work() -> None:
            letter = self._close(n, by, "replayed", "replay")
            self._state.deliver(letter.event)

        return _done(work)

    def drop(self, n: int, by: Principal) -> Future[None]:
        def work() -> None:
            self._close(n, by, "dropped", "drop")

        return _done(work)

    def _letter(self, n: int) -> DeadLetter:
        if not 1 <= n <= len(self._state.letters):
            raise UnknownDeadLetterError(n)
        return self._state.letters[n - 1]

    def _close(self, n: int, by: Principal, outcome: str, kind: str) -> DeadLetter:
        letter, state = self._letter(n), self._state
        if letter.closed is not None:
            raise DeadLetterError(f"dead letter {n} was {letter.outcome} by {letter.closer} already")
        state.happened(letter.event, outcome, 0, reason=f"by {by}")
        state.letters[n - 1] = replace(letter, closed=state.moment, outcome=outcome, closer=str(by))
        state.append(kind, state.events[letter.event][0], str(by))
        return letter


class MemoryWhereabouts:
    """`Whereabouts` over the same."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def position(self) -> int:
        return self._state.sequence

    def position_at(self, at: int) -> int:
        return max((head.sequence for _, head in self._state.events.values() if head.at < at), default=0)

    def pending(self, subjects: Iterable[str] | None = None, limit: int = 10_000) -> tuple[Pending, ...]:
        wanted = None if subjects is None else set(subjects)
        found = [one for one in self._state.pending.values() if wanted is None or one.subject in wanted]
        return tuple(sorted(found, key=lambda one: one.event)[:limit])

    def newest(self, subjects: Iterable[str], types: Sequence[str] = (), by: str = "") -> dict[str, Said]:
        wanted = set(subjects)
        return {
            head.subject: Said(head.sequence, head.at, head.type, head.principal)
            for _, head in self._state.events.values()
            if head.subject in wanted and (not types or head.type in types) and head.principal.startswith(by)
        }

    def events(self, sequences: Iterable[int]) -> dict[int, CloudEvent]:
        return {n: self._state.events[n][0].event for n in sequences if n in self._state.events}


class MemoryLedgerTable:
    """`LedgerTable` over a list that is chained as the real one is."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def head(self) -> tuple[int, bytes]:
        entries = self._state.entries
        return (entries[-1].n, entries[-1].hash) if entries else (0, GENESIS)

    def entries(self, first: int = 1, last: int | None = None) -> Iterator[Entry]:
        yield from self._state.entries[max(first, 1) - 1 : last]

    def anchors(self, limit: int = 1000) -> tuple[Anchor, ...]:
        return tuple(anchor for _, anchor in sorted(self._state.anchors.items()))[-limit:]

    def record_anchor(
        self, n: int, hash_: bytes, signature: str, key_version: int, authority_version: int, *, at: int
    ) -> Future[None]:
        self._state.anchors[n] = Anchor(n, hash_, signature, key_version, authority_version, at)
        return _done(lambda: None)


class MemoryEvidence:
    """`Evidence`: `accept` an event, and its `verdict` is carried out at once."""

    def __init__(self, verdict: Callable[[CloudEvent], Verdict] = lambda _: DELIVERED, route: str = "first") -> None:
        self._state = _State(route, verdict)
        self.timeline = MemoryTimeline(self._state)
        self.dead_letters = MemoryDeadLetters(self._state)
        self.whereabouts = MemoryWhereabouts(self._state)
        self.ledger = MemoryLedgerTable(self._state)

    def accept(self, event: CloudEvent, principal: Principal) -> int:
        return self._state.accept(event, principal)

    def accept_many(self, events: Iterable[CloudEvent], principal: Principal) -> Future[tuple[int, ...]]:
        return _done(lambda: tuple(self._state.accept(event, principal) for event in events))

    def health(self) -> Health:
        state = self._state
        oldest = min((one.accepted for one in state.pending.values()), default=state.moment)
        return Health(
            True, len(state.pending), (state.moment - oldest) / 1_000_000, {}, self.dead_letters.count(), False
        )


def _done(work: Callable[[], T]) -> Future[T]:
    """What a real one does on its writer's thread, done here and now."""
    future: Future[T] = Future()
    try:
        future.set_result(work())
    except DeadLetterError as refused:
        future.set_exception(refused)
    return future
